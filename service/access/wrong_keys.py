"""Wrong keys, counted by where they come from: at the gate and at the sign-in page together."""

import math
import time
from ipaddress import IPv6Address

from starlette.types import Scope

from service.access.rates import Rates

_PER_SECOND, _AT_ONCE = 1.0, 20


class WrongKeys:
    """How many wrong keys an address may send. Used from the event loop alone."""

    def __init__(self) -> None:
        self._rates = Rates(_PER_SECOND, _AT_ONCE)

    def wait(self, scope: Scope) -> int:
        """Count one: 0, or the seconds after which the next one may come, where there were too many."""
        return math.ceil(self._rates.take(address(scope), time.monotonic_ns()) / 1e9)


def address(scope: Scope) -> str:
    """Whence a request comes; of an IPv6 address the network, since a client has as many addresses as it likes."""
    host: str = scope["client"][0] if scope.get("client") else ""
    if ":" not in host:
        return host
    try:
        network = IPv6Address(host)
        return str(network.ipv4_mapped or network.packed[:8].hex())
    except ValueError:
        return host
