"""Where the service may listen: beyond this machine only with keys, or where the operator says that he wants none."""

from ipaddress import ip_address

from models.errors import LookalikeError
from service.settings import Settings


class OpenToAllError(LookalikeError):
    """Other machines could reach a service that asks nobody for a key."""


def check_binding(host: str, settings: Settings) -> None:
    """Raise ``OpenToAllError`` if anybody elsewhere could use a service that listens on this address."""
    if is_loopback(host) or settings.keys_file is not None or settings.allow_anonymous:
        return
    raise OpenToAllError(
        f"{host or 'every address'} can be reached from other machines, and no keys are set. Make one with `lookalike "
        "keys new --file keys.json --name NAME --scope classify --scope audit` and set LOOKALIKE_KEYS_FILE=keys.json; "
        "or listen on 127.0.0.1; or let anybody in with LOOKALIKE_ALLOW_ANONYMOUS=true"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name other than localhost counts as reachable."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
