"""Images in a folder."""

import os
import stat
from pathlib import Path

from labels.images.errors import MissingImageError, UnreadableImageError
from labels.images.member_limit import MAX_IMAGE_BYTES
from labels.images.names import normalise_name
from labels.images.source import ImageSource


class FolderSource(ImageSource):
    """Regular files below one folder; links are followed only as long as they stay inside."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def read(self, name: str) -> bytes:
        """Read one file; see ``ImageSource.read``."""
        normal = normalise_name(name)
        if normal is None:
            raise MissingImageError(name)
        try:
            path = (self._root / normal).resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            raise MissingImageError(name) from error
        if not path.is_relative_to(self._root):
            raise UnreadableImageError(name, "is a link that leads out of the folder: put the file itself there")
        try:
            # NOFOLLOW: the path is resolved, so a link here was just put there. NONBLOCK: a FIFO would wait for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise UnreadableImageError(name, f"can't be read: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableImageError(name, "is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(MAX_IMAGE_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(data) > MAX_IMAGE_BYTES:
            raise UnreadableImageError(name, f"is larger than {MAX_IMAGE_BYTES // 2**20} MiB: make it smaller")
        return data

    def close(self) -> None:
        """Nothing is kept open."""
