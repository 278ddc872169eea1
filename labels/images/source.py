"""What an audit needs of the place that images come from."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class ImageSource(ABC):
    """The bytes of images by name; usable from several threads; a context manager that closes it."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Read one image file.

        Raises ``MissingImageError`` where there is none of that name, ``UnreadableImageError`` where there is one
        that can't or mustn't be read.
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
