"""Bodies of the protocol: JSON, and raw tensors behind it (Triton's extension ``binary_tensor_data``)."""

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ValidationError

from service.http.bodies import BodyError, BodyTooLargeError, read_body

JSON_LENGTH = "Inference-Header-Content-Length"
MAX_JSON_BYTES, MAX_JSON_PARTS = 8_000_000, 200_000
"""JSON is parsed while nobody else is served, lists and fields into many times their size: a second and 300 MB for some
megabytes of ``[],[],[]``. As binary data tensors cost neither."""

_Message = TypeVar("_Message", bound=BaseModel)


async def receive(request: Request, kind: type[_Message], limit: int) -> tuple[_Message, memoryview]:
    """A message, and what follows its JSON; raises ``BodyError`` for a body that is none, or too large.

    An empty body is a message without fields.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise BodyError(f"Content-Encoding {encoding[:50]!r} is not supported: send the body as it is")
    body = await read_body(request, limit)
    message, binary = split(body, request.headers.get(JSON_LENGTH))
    return parse(kind, message), binary


def split(body: bytes, json_length: str | None) -> tuple[memoryview, memoryview]:
    """Cut a body into its JSON and the tensors, by the header ``Inference-Header-Content-Length``."""
    view = memoryview(body)
    length = len(view)
    if json_length is not None:
        # int() takes more than digits, and refuses thousands of them
        if not (json_length.isascii() and json_length.isdigit() and len(json_length) < 20):
            raise BodyError(f"{JSON_LENGTH}: send the length of the JSON in bytes, in digits")
        length = int(json_length)
        if length > len(view):
            raise BodyError(f"{JSON_LENGTH}: it says {length:,} bytes, and the whole body has {len(view):,}")
    if length > MAX_JSON_BYTES or sum(body.count(mark, 0, length) for mark in (b"[", b"{", b":")) > MAX_JSON_PARTS:
        raise BodyTooLargeError(
            f"the JSON has more than {MAX_JSON_BYTES:,} bytes, or {MAX_JSON_PARTS:,} lists and fields: send tensors as "
            "binary data"
        )
    return view[:length], view[length:]


def parse(kind: type[_Message], json: memoryview) -> _Message:
    """Read a message; raises ``BodyError`` naming the field that is not as it should be."""
    try:
        return kind.model_validate(orjson.loads(json) if json else {})
    except orjson.JSONDecodeError as error:
        raise BodyError(f"the body is not JSON: {error}; {JSON_LENGTH} says how much of it is") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:100] or "the JSON"
        raise BodyError(f"{place}: {first['msg']}") from error


def response(message: dict[str, Any], binary: Sequence[bytes]) -> Response:
    """Write a message with tensors behind it; where there are none it is plain JSON."""
    json = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
    if not binary:
        return Response(json, media_type="application/json")
    return Response(
        b"".join((json, *binary)), headers={JSON_LENGTH: str(len(json))}, media_type="application/octet-stream"
    )
