"""Work for a client that may leave before it is done."""

import asyncio
from types import TracebackType

from fastapi import Request
from starlette.requests import ClientDisconnect

_QUICK = 0.05
"""Seconds. Work that takes less is not worth a look at the client, which costs a task."""


class while_connected:  # noqa: N801 - used like a function; a generator would cost several times as much
    """``with`` it: cancels what is awaited in the block if the client leaves, and raises ClientDisconnect.

    The body must have been read before.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._left = False
        self._leaving: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        working = asyncio.current_task()
        assert working is not None
        self._working = working
        self._timer = asyncio.get_running_loop().call_later(_QUICK, self._watch)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._timer.cancel()
        if self._leaving is not None:
            self._leaving.cancel()
        if isinstance(error, asyncio.CancelledError) and self._left and self._working.uncancel() == 0:
            raise ClientDisconnect from error  # else others cancelled it, or they did so, too

    def _watch(self) -> None:
        self._leaving = asyncio.ensure_future(self._departure())

    async def _departure(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self._left = self._working.cancel()
