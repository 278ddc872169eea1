"""Errors as the protocol words them: one text, and 400 for whatever is wrong with a request."""

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel


class Error(BaseModel):
    """Any error of the protocol."""

    error: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"model": Error, "description": "Any error; `error` says what is wrong."}
}
"""What OpenAPI says of errors."""

_BAD_REQUEST = {415, 422}
"""What the rest of the service tells apart and the protocol does not."""


def speaks_oip(path: str) -> bool:
    """Whether a path is the protocol's, so that errors there are as it says."""
    return path == "/v2" or path.startswith("/v2/")


def error(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error in the protocol's form."""
    return JSONResponse({"error": detail}, 400 if status in _BAD_REQUEST else status, headers)
