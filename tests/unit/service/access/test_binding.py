"""Where the service may listen without keys."""

from pathlib import Path

import pytest

from service.access.binding import OpenToAllError, check_binding, is_for_this_machine
from service.settings import Settings

HERE = ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"]
ELSEWHERE = ["0.0.0.0", "::", "192.168.1.2", "fe80::1", "", "example.com", "localhost.example.com", "127.0.0.1.nip.io"]


@pytest.mark.parametrize("host", HERE)
def test_on_loopback_no_key_is_needed(host: str) -> None:
    """An address that only this machine reaches may be served without keys."""
    check_binding(host, Settings())


@pytest.mark.parametrize("host", ELSEWHERE)
def test_elsewhere_it_takes_keys_or_a_clear_word(host: str) -> None:
    """An address that others may reach is refused with the cures; keys, or the setting that says so, let it be."""
    with pytest.raises(OpenToAllError, match="LOOKALIKE_ALLOW_ANONYMOUS=true") as refused:
        check_binding(host, Settings())
    assert "lookalike keys new" in str(refused.value)
    assert "LOOKALIKE_KEYS_FILE" in str(refused.value)
    check_binding(host, Settings(keys_file=Path("keys.json")))
    check_binding(host, Settings(allow_anonymous=True))


def test_who_lets_others_in_may_be_called_by_any_name() -> None:
    """Only where neither keys nor a clear word let others in does it matter by what name a service is called."""
    assert is_for_this_machine(Settings())
    assert not is_for_this_machine(Settings(keys_file=Path("keys.json")))
    assert not is_for_this_machine(Settings(allow_anonymous=True))
