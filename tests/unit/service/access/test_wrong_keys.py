"""Tests whose wrong keys count together."""

import pytest

from service.access.wrong_keys import address


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
    ],
)
def test_a_client_is_its_address_or_its_network(one: str, other: str, together: bool) -> None:
    """IPv4 addresses count by themselves, also where a socket for both kinds writes them as IPv6, others by network."""
    first, second = (address({"client": (host, 1)}) for host in (one, other))
    assert (first == second) is together
