"""Who can reach the service: others than this machine only with keys, or where the operator says that he wants none."""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from models.errors import LookalikeError
from service.settings import Settings

_THIS_MACHINE = re.compile(rb"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?", re.IGNORECASE)


class OpenToAllError(LookalikeError):
    """Other machines could reach a service that asks nobody for a key."""


def check_binding(host: str, settings: Settings) -> None:
    """Raise ``OpenToAllError`` if anybody elsewhere could use a service that listens on this address."""
    if is_loopback(host) or not is_for_this_machine(settings):
        return
    raise OpenToAllError(
        f"{host or 'every address'} can be reached from other machines, and no keys are set. Make one with `lookalike "
        "keys new --file keys.json --name NAME --scope classify --scope audit` and set LOOKALIKE_KEYS_FILE=keys.json; "
        "or listen on 127.0.0.1; or let anybody in with LOOKALIKE_ALLOW_ANONYMOUS=true"
    )


def is_for_this_machine(settings: Settings) -> bool:
    """Whether nobody elsewhere may use a service: it asks for no keys, and its operator did not let anybody in."""
    return settings.keys_file is None and not settings.allow_anonymous


def calls_this_machine(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the `Host` that a request was sent to is this machine under a name that only it can have.

    A page whose own host's name was made to lead here (DNS rebinding) is of the same origin as this service to a
    browser and could read everything; but the browser says by what name it came. A program may say none.
    """
    return all(_THIS_MACHINE.fullmatch(value) for name, value in headers if name == b"host")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name other than localhost counts as reachable."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
