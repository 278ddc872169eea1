"""API keys: 256 random bits, shown once; what is kept is a hash, from which a key can't be found.

A fast hash is right here: random keys, unlike the passwords of people, can't be tried one after the other.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from models.errors import LookalikeError
from service.access.scopes import Scope

NOBODY = "local"
"""The owner of what is sent without a key; no key may bear this name."""

_PREFIX = "lk_"
_RANDOM_BYTES = 32
KEY_LENGTH = len(_PREFIX) + (_RANDOM_BYTES * 8 + 5) // 6
"""Characters of every key: the random bytes are written as base64, six bits each."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


class KeyNameError(LookalikeError):
    """No key can bear this name."""


class Key(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Says whose it is; audits and decisions bear it."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Of the key as it is sent."""
    scopes: tuple[Scope, ...] = Field(min_length=1)
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    """From then on it is no longer valid; null: it always is."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if name == NOBODY:
            raise ValueError(f"{NOBODY!r} stands for whoever has no key")
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: take letters, digits and . _ @ + -, at most 100")
        return name


def digest(secret: bytes) -> bytes:
    """The hash of a key as it is sent: 32 bytes, SHA-256."""
    return hashlib.sha256(secret).digest()


def new_key(name: str, scopes: Iterable[Scope], *, days: int | None = None) -> tuple[str, Key]:
    """Make a key, and what is to be kept of it; raises ``KeyNameError`` where it can't be called so."""
    secret = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        key = Key(
            name=name,
            sha256=digest(secret.encode()).hex(),
            scopes=tuple(dict.fromkeys(scopes)),
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
    except ValidationError as error:
        raise KeyNameError(f"--name: {error.errors()[0]['ctx']['error']}") from error
    return secret, key
