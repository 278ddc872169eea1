"""The folder that audits are kept in; servers and workers that share a database share it."""

from pathlib import Path

from models.errors import LookalikeError


class DataFolderError(LookalikeError):
    """The data folder can't be used."""


def make_data_folder(path: Path) -> None:
    """Create the folder where it is missing; raises ``DataFolderError`` where it can't be written."""
    probe = path / ".writable"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise DataFolderError(f"LOOKALIKE_DATA_DIR={path} can't be written: {error.strerror}") from error
