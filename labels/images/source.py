"""What an audit needs of the place that images come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from labels.images.errors import ImageSourceError
from labels.images.names import normalise_name

MAX_FILES = 2_000_000
"""Most files in an archive, and most that are listed."""
MAX_DEPTH = 32
"""Folders in folders, where all files are listed."""


@dataclass(frozen=True)
class Listing:
    """All that lies in a place, by name, sorted."""

    names: list[str]
    """Files, as ``normalise_name`` writes them, images or not."""
    passed_over: list[str]
    """What no name leads to: links to folders, devices, what is called by no text or by a way out."""

    @classmethod
    def of(cls, names: Iterable[str], passed_over: Iterable[str]) -> Self:
        """List files by their names as they stand; what can't be found by its name is passed over.

        Raises ``ImageSourceError`` where folders are nested more than ``MAX_DEPTH`` deep.
        """
        found: list[str] = []
        lost = list(passed_over)
        for name in names:
            check_depth(name)
            (found if normalise_name(name) == name and _is_text(name) else lost).append(name)
        return cls(sorted(found), sorted(lost))


def check_depth(name: str) -> None:
    """Raise ``ImageSourceError`` where a name lies below more than ``MAX_DEPTH`` folders."""
    if name.count("/") > MAX_DEPTH:
        raise ImageSourceError(f"there are more than {MAX_DEPTH} folders in folders: {name[:200]!r}")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return False
    return True


class ImageSource(ABC):
    """The bytes of images by name; usable from several threads; a context manager that closes it."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Read one image file.

        Raises ``MissingImageError`` where there is none of that name, ``UnreadableImageError`` where there is one
        that can't or mustn't be read.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is a file of that name; reading it may fail nevertheless."""

    @abstractmethod
    def listing(self) -> Listing:
        """List all files; raises ``ImageSourceError`` for more than ``MAX_FILES``, or folders nested without end.

        A name on the list leads to something; reading it may be refused nevertheless.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the file; reading afterwards fails."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
