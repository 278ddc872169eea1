"""Connections that bring no request: uvicorn lets a client that sends a head byte by byte, or nothing, stay for ever.

Each of them holds one of the places that ``LOOKALIKE_MAX_CONNECTIONS`` bounds.
"""

from collections.abc import Iterable

from service.http.protocol import HttpProtocol


class SlowHeads:
    """Knows since when each connection has been without its first request, or within a head, and closes the slow.

    One that has been answered and sends nothing is uvicorn's: it closes it after ``LOOKALIKE_KEEP_ALIVE_SECONDS``.
    """

    def __init__(self, seconds: float) -> None:
        """``seconds``: how long the head of a request may take."""
        self._seconds = seconds
        self._waiting: dict[HttpProtocol, tuple[object, float]] = {}
        """By connection: its last request (None: there was none), and since when the next one is waited for."""

    def close(self, connections: Iterable[HttpProtocol], now: float) -> None:
        """Look at all connections; ``now`` in seconds of a steady clock."""
        waiting: dict[HttpProtocol, tuple[object, float]] = {}
        for connection in connections:
            request = connection.cycle
            if request is not None and (not request.response_complete or not connection.overhead):
                continue
            last, since = self._waiting.get(connection, (request, now))
            if last is not request:
                since = now
            if now - since < self._seconds:
                waiting[connection] = request, since
            else:
                connection.transport.close()
        self._waiting = waiting
