"""Requests on more connections than the server takes."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import answer
from service.routed_path import routed_path

BEYOND_THE_WALL = "lookalike.beyond_the_wall"
"""Key of the scope of a request that came when there were as many connections as there may be."""
_PROBES = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/metrics"})
"""Paths of those that watch the service, and would end one that is merely full if it did not answer."""


class ConnectionWall:
    """ASGI middleware: refuses requests beyond the wall before their bodies are read, and closes their connections."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if BEYOND_THE_WALL in scope and routed_path(scope) not in _PROBES:
            headers = {"Retry-After": "1", "Connection": "close"}
            refusal = answer(scope, 503, "connections", "too many connections are open; try again in a second", headers)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)
