"""What request bodies may take of the process, all together: memory, and patience with whoever sends them."""

import asyncio
from typing import NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROGRESS_BYTES = 64_000
"""So much, or the rest, must come while the service is patient."""
_KEY = "lookalike.body"


class BodyRefusedError(HTTPException):
    """A body is not received to its end. Frameworks that read bodies let this kind of error through as it is."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.code = code


class BodyGuard:
    """ASGI middleware: counts what comes of bodies for as long as it may be in memory, until the request ends.

    What a client announces reserves nothing; what it has sent counts. Used from one event loop alone.
    """

    def __init__(self, app: ASGIApp, *, most: int, each: int, seconds: float) -> None:
        """Hold at most ``most`` bytes, of a body whose route names no limit ``each``; wait so long for progress."""
        self._app, self.most, self.each, self.seconds = app, most, each, seconds
        self.held = 0
        """Bytes of bodies in memory now."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[_KEY] = body = _Body(self, receive)
        try:
            await self._app(scope, body.receive, send)
        finally:
            body.hold(0)


class _Body:
    """One request's body on its way."""

    def __init__(self, guard: BodyGuard, receive: Receive) -> None:
        self._guard, self._receive = guard, receive
        self._held = self._progress = 0
        self._limit = min(guard.each, guard.most)
        self._patience = guard.seconds
        self._complete = False

    def hold(self, amount: int) -> None:
        """Say how many bytes are in memory now."""
        self._guard.held += amount - self._held
        self._held = amount

    def lift_limit(self) -> None:
        """Let it grow to all that there is."""
        self._limit = self._guard.most

    async def receive(self) -> Message:
        """The next piece; raises ``BodyRefusedError``. Once the body is complete, nothing is hurried or counted."""
        if self._complete:
            return await self._receive()
        message = await self._in_time()
        came = len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        self._progress += came
        if self._progress >= PROGRESS_BYTES:
            self._progress, self._patience = 0, self._guard.seconds
        self.hold(self._held + came)
        if self._held > self._limit:
            self._refuse(413, "body_too_large", f"the body is larger than {self._limit:,} bytes")
        if self._guard.held > self._guard.most:
            self._refuse(
                503, "overloaded", "too many bodies are coming in; try again in a second", {"Retry-After": "1"}
            )
        return message

    def _refuse(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> NoReturn:
        """Raise ``BodyRefusedError``; what came is given back at once, so that it makes room for the others."""
        self.hold(0)
        raise BodyRefusedError(status, code, detail, headers)

    async def _in_time(self) -> Message:
        """Wait for the next piece as long as there is patience left; the time that the service takes is its own."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            seconds = self._guard.seconds
            detail = f"the body came too slowly: send {PROGRESS_BYTES:,} bytes, or the rest, every {seconds:g} s"
            self._refuse(408, "body_timeout", detail)
        self._patience -= now() - began
        return message


def lift_limit(request: Request) -> None:
    """Leave it to the route how large the body may be; it must fit into the memory for all."""
    body: _Body | None = request.scope.get(_KEY)
    if body is not None:
        body.lift_limit()


def hold(request: Request, amount: int) -> None:
    """Say how much of the request's body is still in memory, where what came was written elsewhere."""
    body: _Body | None = request.scope.get(_KEY)
    if body is not None:
        body.hold(amount)
