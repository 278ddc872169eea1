"""The HTTP server: how it listens, and how it ends without failing a request."""

import logging
import time
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.app import create_app
from service.http.open_files import room_for
from service.http.protocol import HttpProtocol
from service.http.slow_heads import SlowHeads
from service.http.slow_readers import SlowReaders
from service.services import Services

_log = logging.getLogger("lookalike.server")


class DrainingServer(uvicorn.Server):
    """Told to stop, it goes on serving for a while, not ready any more; then it takes no new requests, and ends.

    Meanwhile every answer closes its connection: clients that keep theirs open come back to another server.
    """

    def __init__(self, services: Services, *, host: str, port: int) -> None:
        settings = services.settings
        super().__init__(
            uvicorn.Config(
                _closing_while_draining(create_app(services), services),
                host=host,
                port=port,
                http=HttpProtocol,
                loop="asyncio",  # uvloop accepts one new connection a turn: a storm of them waits for seconds
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=room_for(settings.max_connections),
                timeout_keep_alive=settings.keep_alive_seconds,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )
        self._services = services
        self._slow_heads, self._slow_readers = SlowHeads(settings.head_seconds), SlowReaders(settings.body_seconds)
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends the draining."""
        if self._stop_at is None and self._services.settings.drain_seconds:
            self._captured_signals.append(sig)
            self._stop_at = time.monotonic() + self._services.settings.drain_seconds
            self._services.draining.set()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: close what only holds a place; whether it is time to stop."""
        now = time.monotonic()
        connections = cast("set[HttpProtocol]", self.server_state.connections)
        self._slow_heads.close(connections, now)
        self._slow_readers.cut_off(connections, now)
        if self._stop_at is not None and now >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


def _closing_while_draining(app: ASGIApp, services: Services) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if not services.draining.is_set():
            await app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await app(scope, receive, closing)

    return wrapped
