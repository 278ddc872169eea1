"""The keys in force: what the file says, looked at again while the service runs."""

import hmac
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

from service.access.caller import Caller
from service.access.key_file import KeyFileError, read_keys
from service.access.keys import KEY_LENGTH, Key, digest
from service.access.wrong_keys import WrongKeys

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    digest: bytes
    caller: Caller
    expires_at: float
    """Seconds since 1970."""


class Keyring:
    """Tells who bears a key. Used from the event loop alone."""

    def __init__(self, path: Path, look_every: float = 1.0) -> None:
        """Read the file, and look whether it has changed every so many seconds; raises ``KeyFileError``."""
        self._path, self._look_every = path, look_every
        self._seen = _signature(path)
        self._known = _by_digest(read_keys(path))
        self._look_at = time.monotonic() + look_every
        self.wrong_keys = WrongKeys()

    def caller(self, secret: bytes) -> Caller | None:
        """Return the bearer of a key as it was sent; None: it is unknown, or no longer valid."""
        if time.monotonic() >= self._look_at:
            self._look()
        if len(secret) != KEY_LENGTH:
            return None
        sent = digest(secret)
        # How long the dictionary looks tells something of a hash at most, which leads to no key; equality is decided
        # in constant time all the same.
        known = self._known.get(sent)
        if known is None or not hmac.compare_digest(known.digest, sent) or known.expires_at <= time.time():
            return None
        return known.caller

    def _look(self) -> None:
        """Take up the file if it is another than before; one that can't be used changes nothing and is logged once."""
        self._look_at = time.monotonic() + self._look_every
        signature = _signature(self._path)
        if signature == self._seen:
            return
        self._seen = signature  # taken before the file is read: a change in between is seen next time
        try:
            self._known = _by_digest(read_keys(self._path))
        except KeyFileError as error:
            _log.error("the keys of before stay in force: %s", error)
        else:
            _log.info("%d keys are in force", len(self._known))


def _signature(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None: it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _by_digest(keys: tuple[Key, ...]) -> dict[bytes, _Known]:
    return {
        bytes.fromhex(key.sha256): _Known(
            bytes.fromhex(key.sha256),
            Caller.with_key(key.name, key.scopes),
            key.expires_at.timestamp() if key.expires_at else math.inf,
        )
        for key in keys
    }
