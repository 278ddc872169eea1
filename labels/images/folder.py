"""Images in a folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from labels.images.errors import ImageSourceError, MissingImageError, UnreadableImageError
from labels.images.member_limit import MAX_IMAGE_BYTES
from labels.images.names import normalise_name
from labels.images.source import MAX_FILES, ImageSource, Listing, check_depth


class FolderSource(ImageSource):
    """Regular files below one folder; links are followed only as long as they stay inside."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def read(self, name: str) -> bytes:
        """Read one file; see ``ImageSource.read``."""
        path = self._resolve(name)
        if path is None:
            raise MissingImageError(name)
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

    def _resolve(self, name: str) -> Path | None:
        """Where a name leads, maybe out of the folder; None: to nothing."""
        normal = normalise_name(name)
        try:
            return None if normal is None else (self._root / normal).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: a loop of links
            return None

    def has(self, name: str) -> bool:
        """See ``ImageSource.has``."""
        path = self._resolve(name)
        return path is not None and path.is_relative_to(self._root) and path.is_file()

    def listing(self) -> Listing:
        """See ``ImageSource.listing``; links to folders are not followed."""
        names: list[str] = []
        passed_over: list[str] = []
        pending = [""]
        while pending:
            folder = pending.pop()
            check_depth(folder)
            for entry in self._entries(folder):
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{folder}{entry.name}/")
                elif entry.is_file(follow_symlinks=False) or (entry.is_symlink() and not _leads_to_folder(entry)):
                    names.append(folder + entry.name)
                else:
                    passed_over.append(folder + entry.name)
                if len(names) + len(passed_over) + len(pending) > MAX_FILES:
                    raise ImageSourceError(f"the folder has more than {MAX_FILES} files: write a label file for them")
        return Listing.of(names, passed_over)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / folder) as entries:
                yield from entries
        except OSError as error:
            raise ImageSourceError(f"the folder {folder[:200]!r} can't be read: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is kept open."""


def _leads_to_folder(link: "os.DirEntry[str]") -> bool:
    try:
        return link.is_dir()
    except OSError:  # a loop of links
        return False
