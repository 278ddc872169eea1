"""The file that keys are kept in: read whole or refused, and replaced whole."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from models.errors import LookalikeError
from service.access.keys import Key
from service.audits.steps.files import aside


class KeyFileError(LookalikeError):
    """The file of the keys can't be used, or not changed as asked for."""


class KeyFile(BaseModel):
    """What is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[Key, ...]

    @model_validator(mode="after")
    def _names_tell_keys_apart(self) -> Self:
        for attribute in ("name", "sha256"):
            values = [getattr(key, attribute) for key in self.keys]
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"two keys have the {attribute} {min(twice)!r}")
        return self


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read the keys; raises ``KeyFileError`` where the file is missing or anything in it is not as it should be."""
    try:
        return KeyFile.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError as error:
        raise KeyFileError(f"no key file {path}: make a key with `lookalike keys new`, which makes the file") from error
    except OSError as error:
        raise KeyFileError(f"key file {path} can't be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise KeyFileError(f"key file {path}: {f'{place}: ' if place else ''}{first['msg']}") from error


def add_key(path: Path, key: Key) -> None:
    """Add a key, to a new file where there is none; raises ``KeyFileError`` where its name is taken."""
    with _changing(path) as keys:
        if any(each.name == key.name for each in keys):
            raise KeyFileError(f"{path} has a key {key.name!r}: choose another name, or revoke that one first")
        keys.append(key)


def revoke_key(path: Path, name: str) -> None:
    """Take a key out; raises ``KeyFileError`` where there is none of that name."""
    read_keys(path)
    with _changing(path) as keys:
        found = next((key for key in keys if key.name == name), None)
        if found is None:
            raise KeyFileError(f"{path} has no key {name!r}; it has {', '.join(key.name for key in keys) or 'none'}")
        keys.remove(found)


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """Hand out the keys as a list to change, and replace the file by what became of it; one process at a time."""
    path = path.resolve()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        exists = path.exists()
        keys = list(read_keys(path)) if exists else []
        yield keys
        with aside(path) as part:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(KeyFile(keys=tuple(keys)).model_dump_json(indent=1) + "\n")
            if exists:  # the service may read it as another user or by its group
                before = path.stat()
                os.chown(part, before.st_uid, before.st_gid)
                shutil.copymode(path, part)
    finally:
        os.close(folder)
