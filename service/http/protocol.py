"""uvicorn's protocol for HTTP/1.1, with what it lacks for a service that is flooded."""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.connection_wall import BEYOND_THE_WALL
from service.http.joined_writes import JoinedWrites


class HttpProtocol(HttpToolsProtocol):
    """Joins writes, and leaves it to the application how requests on too many connections are refused."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if app is service_unavailable:  # which would answer what nobody counts, and refuse probes of liveness, too
            cycle.scope[BEYOND_THE_WALL] = True
        super()._start_asgi_task(cycle, self.app)
