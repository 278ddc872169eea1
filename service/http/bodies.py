"""Reading request bodies under a cap, whatever their headers claim."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from models.errors import LookalikeError
from service.http.body_guard import lift_limit


class BodyError(LookalikeError):
    """The body is not what the route takes."""


class BodyTooLargeError(BodyError):
    """The body is larger than the route takes."""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; raises ``BodyTooLargeError`` as soon as it passes ``limit`` bytes, or ``ClientDisconnect``."""
    receive, pieces, more = capped(request, limit).receive, [], True
    while more:  # Starlette's ``Request.body`` does it with a generator, at several times the cost
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@asynccontextmanager
async def read_form(request: Request, limit: int, *, max_files: int) -> AsyncIterator[FormData]:
    """A multipart form, its files spooled to disk; raises ``BodyError`` where it is malformed or too large."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BodyError("send the request as multipart/form-data")
    try:
        form = await capped(request, limit).form(max_files=max_files, max_fields=32)
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise BodyError(f"malformed form: {error.detail}") from error
    try:
        yield form
    finally:
        await form.close()


def uploads(form: FormData, field: str) -> list[UploadFile]:
    """The files of a field; raises ``BodyError`` where it holds plain text."""
    parts = form.getlist(field)
    files = [part for part in parts if isinstance(part, UploadFile)]
    if len(files) != len(parts):
        raise BodyError(f"{field}: send files (with a filename), not text")
    return files


def capped(request: Request, limit: int) -> Request:
    """The request, whose body raises ``BodyTooLargeError`` as soon as it passes ``limit`` bytes, and not before."""
    lift_limit(request)
    if int(request.headers.get("content-length") or 0) > limit:
        raise BodyTooLargeError(f"the body is larger than {limit:,} bytes")
    return Request(request.scope, _counting(request.receive, limit))


def _counting(receive: Receive, limit: int) -> Receive:
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise BodyTooLargeError(f"the body is larger than {limit:,} bytes")
        return message

    return counted
