"""Tests that an address where nobody can listen is told so before anything is loaded."""

import socket

import pytest

from service.http.address import AddressError, check_address


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_is_named_with_another_one(host: str) -> None:
    """Who starts a second server on a port reads which port, and which one to take."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"port {port} is in use.*--port {port + 1}"):
            check_address(host, port)
    check_address(host, port)


def test_any_free_port_is_fine() -> None:
    """Port 0 is never in use, here nor on every address."""
    check_address("127.0.0.1", 0)
    check_address("", 0)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    """An address or a name that is not this machine's is said to be the fault."""
    with pytest.raises(AddressError, match=host):
        check_address(host, 0)
