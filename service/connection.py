"""Work for a client that may leave before it is done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect


@asynccontextmanager
async def while_connected(request: Request) -> AsyncIterator[None]:
    """Cancel what is done in this block if the client leaves, and raise ClientDisconnect.

    The body must have been read before.
    """
    working, over, left = asyncio.current_task(), False, False
    assert working is not None

    def stop(leaving: asyncio.Future[None]) -> None:
        nonlocal left
        if not over and not leaving.cancelled():
            left = working.cancel()

    leaving = asyncio.ensure_future(_left(request))
    leaving.add_done_callback(stop)
    try:
        yield
    except asyncio.CancelledError as error:
        if not left or working.uncancel() > 0:  # others cancelled it, or they did so, too
            raise
        raise ClientDisconnect from error
    finally:
        over = True
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
