"""What is seen of every request, whatever becomes of it: its id, its numbers, its line in the log."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import CODE, unexpected
from service.telemetry.access_log import AccessLog, Answered
from service.telemetry.request_id import HEADER, REQUEST_ID, RequestIds
from service.telemetry.traffic import Traffic

_log = logging.getLogger("lookalike.requests")

_NO_ROUTE = "none"


class Observed:
    """ASGI middleware, around all others. An exception that nobody expected ends here: it is logged, and answered."""

    def __init__(self, app: ASGIApp, traffic: Traffic, access_log: AccessLog) -> None:
        self._app, self._traffic, self._access_log = app, traffic, access_log
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._ids.of(scope)
        REQUEST_ID.set(request_id)
        answer = _Answer(send, request_id)
        try:
            await self._app(scope, receive, answer.send)
        except Exception:  # noqa: BLE001 - whatever it is, its client and its operator must hear of it
            _log.exception("the service failed at a request", extra={"method": scope["method"], "route": _route(scope)})
            if not answer.status:
                await unexpected(scope)(scope, receive, answer.send)
        finally:
            self._record(scope, answer)

    def _record(self, scope: Scope, answer: "_Answer") -> None:
        if not answer.status:  # it was cancelled: the server is stopping
            return
        route, code = _route(scope), scope.get(CODE)
        seconds = answer.began - answer.started
        self._traffic.answered(scope["method"], route, answer.status, seconds)
        if code is not None:
            self._traffic.failed(code)
        if self._access_log.wants(answer.status, seconds):
            total = time.perf_counter() - answer.started
            self._access_log.write(scope, Answered(route, answer.status, seconds, total, answer.bytes, code))


class _Answer:
    """Notes what passes on its way to the client, and puts the id on it."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._id = send, (HEADER, request_id.encode())
        self.started = self.began = time.perf_counter()
        self.status = self.bytes = 0

    async def send(self, message: Message) -> None:
        """Pass a piece on."""
        if message["type"] == "http.response.start":
            self.began, self.status = time.perf_counter(), message["status"]
            message["headers"] = [*message["headers"], self._id]
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def _route(scope: Scope) -> str:
    """The template of the path, of which there are as many as routes; paths are any number."""
    return getattr(scope.get("route"), "path", _NO_ROUTE)
