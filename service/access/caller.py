"""Who sent a request, as the gate found it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from service.access.keys import NOBODY
from service.access.scopes import SCOPES, Need, Scope, granted


@dataclass(frozen=True)
class Caller:
    """A key's bearer, or anybody where no keys are set."""

    key: str | None
    """Name of the key."""
    may: frozenset[Need]
    """What the caller's requests may need."""

    @classmethod
    def with_key(cls, name: str, scopes: Iterable[Scope]) -> Self:
        """The bearer of a key."""
        return cls(name, granted(scopes))

    @property
    def owner(self) -> str:
        """Whose an audit is that the caller submits."""
        return self.key or NOBODY


ANYBODY = Caller(None, granted(SCOPES))
"""The caller of every request where no keys are set."""


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


UseCaller = Annotated[Caller, Depends(_caller)]
