"""A line for each request that is worth one."""

import logging
from dataclasses import dataclass
from typing import Literal

from starlette.types import Scope

ACCESS_LOGGER = "lookalike.access"
_log = logging.getLogger(ACCESS_LOGGER)

SLOW_SECONDS = 1.0
_MOST_OF_A_PATH = 200


@dataclass(frozen=True)
class Answered:
    """What became of a request."""

    route: str
    status: int
    seconds: float
    """From its head to the beginning of the answer."""
    total_seconds: float
    """To the end of the answer."""
    bytes: int
    """Of the answer's body."""
    code: str | None
    """Of the error that it was answered with."""


class AccessLog:
    """Writes the lines. They say nothing of queries, bodies and headers: those may hold what no log should."""

    def __init__(self, which: Literal["off", "errors", "all"]) -> None:
        """``errors`` are statuses from 400 on, and what took longer than ``SLOW_SECONDS`` to answer."""
        self._which = which

    def wants(self, status: int, seconds: float) -> bool:
        """Whether a request gets a line."""
        return self._which != "off" and (self._which == "all" or status >= 400 or seconds > SLOW_SECONDS)

    def write(self, scope: Scope, answered: Answered) -> None:
        """Write a line."""
        caller = scope.get("state", {}).get("caller")
        details = {
            "method": scope["method"],
            "route": answered.route,
            "path": scope.get("raw_path", b"")[:_MOST_OF_A_PATH].decode("latin-1"),
            "status": answered.status,
            "code": answered.code,
            "seconds": round(answered.seconds, 4),
            "total_seconds": round(answered.total_seconds, 4),
            "bytes": answered.bytes,
            "caller": getattr(caller, "key", None),
        }
        level = logging.WARNING if answered.status >= 500 else logging.INFO
        _log.log(level, "request", extra={name: value for name, value in details.items() if value is not None})
