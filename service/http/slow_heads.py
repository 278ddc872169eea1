"""Connections that bring no request: uvicorn lets a client that sends a head byte by byte, or nothing, stay for ever.

Each of them holds one of the places that ``LOOKALIKE_MAX_CONNECTIONS`` bounds.
"""

from collections.abc import Iterable
from typing import Any

_Waiting = dict[Any, tuple[Any, float]]
"""By connection: its last request (None: there was none), and since when the next one is waited for."""


class SlowHeads:
    """Knows since when each connection has been without a request, and closes those that take too long."""

    def __init__(self, seconds: float) -> None:
        """``seconds``: how long the head of a request may take."""
        self._seconds = seconds
        self._waiting: _Waiting = {}

    def close(self, connections: Iterable[Any], now: float) -> None:
        """Look at all connections, uvicorn's protocols for HTTP/1.1; ``now`` in seconds of a steady clock."""
        waiting: _Waiting = {}
        for connection in connections:
            request = connection.cycle
            if request is not None and not request.response_complete:
                continue
            last, since = self._waiting.get(connection, (request, now))
            if last is not request:
                since = now
            if now - since < self._seconds:
                waiting[connection] = request, since
            else:
                connection.transport.close()
        self._waiting = waiting
