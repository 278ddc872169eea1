"""The folder that audits are kept in, held by one server at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import LookalikeError


class DataFolderError(LookalikeError):
    """The data folder can't be used."""


@contextmanager
def locked_data_folder(path: Path) -> Iterator[Path]:
    """Create the folder where it is missing and keep other servers out; the lock ends with the process, however."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / ".lock").open("w")
    except OSError as error:
        raise DataFolderError(f"LOOKALIKE_DATA_DIR={path} can't be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataFolderError(
                f"another lookalike server uses the data folder {path}; stop it, or set another LOOKALIKE_DATA_DIR"
            ) from error
        yield path
