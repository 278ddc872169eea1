"""Clients that don't take their answers: they hold its memory, and one of the places for connections."""

from collections.abc import Iterable

from service.http.protocol import HttpProtocol

_PROGRESS = 64_000
"""Bytes that count as progress, as for bodies that come in."""


class SlowReaders:
    """Knows since when each connection has waited to get rid of bytes, and cuts off those that take too few."""

    def __init__(self, seconds: float) -> None:
        """``seconds``: in which a client must take 64 kB, or all there is."""
        self._seconds = seconds
        self._waiting: dict[HttpProtocol, tuple[int, float]] = {}
        """By connection: the bytes it had taken, and when."""

    def cut_off(self, connections: Iterable[HttpProtocol], now: float) -> None:
        """Look at all connections; ``now`` in seconds of a steady clock."""
        waiting: dict[HttpProtocol, tuple[int, float]] = {}
        for connection in connections:
            transport = connection.transport
            if not transport.get_write_buffer_size():
                continue
            taken, since = self._waiting.get(connection, (transport.taken, now))
            if transport.taken - taken >= _PROGRESS:
                taken, since = transport.taken, now
            if now - since < self._seconds:
                waiting[connection] = taken, since
            else:
                transport.abort()  # closing would wait for the buffer to empty
        self._waiting = waiting
