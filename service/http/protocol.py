"""uvicorn's protocol for HTTP/1.1, with what it lacks for a service that is flooded, or attacked."""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.connection_wall import BEYOND_THE_WALL
from service.http.joined_writes import JoinedWrites

PLACES_BEYOND = 128
"""Connections beyond the wall whose requests are refused in words, and whose probes are answered; more are cut off."""
_MOST_OVERHEAD = 65_536
"""Bytes of a request that are not its body: its head, or what stands between the pieces of a chunked body."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_log = logging.getLogger("lookalike.server")


class HttpProtocol(HttpToolsProtocol):
    """Joins writes, bounds the heads of requests, and keeps the wall of connections.

    uvicorn's own wall falls on all connections as soon as there are too many; this one on those that came too late.
    """

    transport: JoinedWrites  # type: ignore[assignment]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self._beyond_the_wall = self._in_head = False
        self.overhead = 0
        """Bytes of the request that is coming in, since its last piece of body; 0 between requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, or cut it off."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        if self._most is not None:
            self._beyond_the_wall = len(self.connections) > self._most
            if len(self.connections) > self._most + PLACES_BEYOND:
                transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; too many that are not a body end the connection."""
        self.overhead += len(data)
        super().data_received(data)
        if self.overhead > _MOST_OVERHEAD and not self.transport.is_closing():
            _log.warning("a request's head is larger than %s bytes: the connection is closed", _MOST_OVERHEAD)
            if self._in_head and (self.cycle is None or self.cycle.response_complete):
                self.transport.write(_TOO_LARGE)
                self.transport.close()
            else:
                self.transport.abort()

    def eof_received(self) -> None:
        """Write what is held before the transport closes, as it does when a client has said all that it will."""
        self.transport.flush()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those after the body count for nothing."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head."""
        self._in_head = False
        if self._beyond_the_wall:
            self.scope[BEYOND_THE_WALL] = True  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body in."""
        self.overhead = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self.overhead = 0
        super().on_message_complete()
