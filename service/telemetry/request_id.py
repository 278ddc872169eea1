"""The id by which a request is found again: in its answer, in the logs, and at whoever sent it along."""

import re
import secrets
from contextvars import ContextVar
from itertools import count

from starlette.types import Scope

HEADER = b"x-request-id"
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}")

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is being answered; None: there is none."""


class RequestIds:
    """Gives ids to requests: no two of this process the same, and hardly those of two processes."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(6)
        # Counted, not drawn: to ask for random bytes lets go of the interpreter's lock, at every request.
        self._numbers = count(1)

    def of(self, scope: Scope) -> str:
        """Return the id that came with a request, if it came once and can stand in any log as it is; else a new one."""
        sent = [value for name, value in scope["headers"] if name == HEADER]
        if len(sent) == 1 and _WELL_FORMED.fullmatch(sent[0]):
            return str(sent[0], "ascii")
        return f"{self._process}-{next(self._numbers)}"
