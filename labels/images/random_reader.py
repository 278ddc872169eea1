"""Bytes at any offset: of a plain file, and of a gzip file without unpacking it to disk."""

import io
import os
import threading
import zlib
from abc import abstractmethod
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labels.images.errors import ImageSourceError

MAX_GUNZIPPED_BYTES = 64 * 2**30
_COMPRESSED_STEP = 16 * 2**10  # becomes 16 MiB at the very most
_CHECKPOINT_EVERY = 4 * 2**20
_MAX_CHECKPOINTS = 1024  # some 40 KiB each


class RandomReader(io.RawIOBase):
    """A read-only file for a parser (``read``, ``seek``, ``tell``), and ``read_at`` for several threads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._position = 0

    @abstractmethod
    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset`` on, fewer at the end; thread-safe."""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it has random access."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the current position."""
        data = self.read_at(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an offset from the start; the end isn't known."""
        if whence != io.SEEK_SET or offset < 0:
            raise io.UnsupportedOperation("seek counts from the start")
        self._position = offset
        return offset

    def tell(self) -> int:
        """Return the current position."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class PlainReader(RandomReader):
    """A file as it is."""

    def read_at(self, offset: int, size: int) -> bytes:
        """See ``RandomReader.read_at``."""
        return os.pread(self._descriptor, size, offset)


@dataclass
class _Place:
    """A place in a gzip file from which unpacking can go on."""

    compressed: int = 0  # the next byte to take in
    position: int = 0  # the next byte to come out
    inflate: Any = field(default_factory=lambda: zlib.decompressobj(wbits=31))
    fresh: bool = True  # nothing of this gzip member was taken in yet

    def copy(self) -> "_Place":
        return _Place(self.compressed, self.position, self.inflate.copy(), self.fresh)


class GzipReader(RandomReader):
    """A gzip file with random access.

    The first pass leaves checkpoints behind, copies of the decompressor's state every few MiB; a read goes on from
    the nearest one. Reading in the file's order costs one pass in all. The two plain ways were refused: a label file in
    another order would unpack the archive once per image, and spooling it to disk needs room that nobody granted.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._every = _CHECKPOINT_EVERY
        self._checkpoints = [_Place()]
        self._place = _Place()
        self._block = b""  # what came out last: it ends at _place.position

    def read_at(self, offset: int, size: int) -> bytes:
        """See ``RandomReader.read_at``; raises ``ImageSourceError`` where the gzip file is damaged or a bomb."""
        with self._lock:
            self._go_near(offset)
            data = bytearray()
            while len(data) < size:
                start = offset + len(data) - (self._place.position - len(self._block))
                data += self._block[start : start + size - len(data)]
                if len(data) < size and not self._advance():
                    break
            return bytes(data)

    def _go_near(self, offset: int) -> None:
        block_start = self._place.position - len(self._block)
        nearest = self._checkpoints[bisect_right(self._checkpoints, offset, key=lambda place: place.position) - 1]
        if offset < block_start or nearest.position > self._place.position:
            self._place, self._block = nearest.copy(), b""
        while self._place.position <= offset and self._advance():
            pass

    def _advance(self) -> bool:
        """Unpack the next block; false at the end."""
        place = self._place
        if place.position >= self._checkpoints[-1].position + self._every:
            self._checkpoints.append(place.copy())
            if len(self._checkpoints) > _MAX_CHECKPOINTS:
                del self._checkpoints[1::2]
                self._every *= 2
        chunk = os.pread(self._descriptor, _COMPRESSED_STEP, place.compressed)
        if place.fresh and not chunk.strip(b"\0"):  # zeros may follow the last gzip member
            return False
        if not chunk:
            raise ImageSourceError("the gzip file is cut short: make it again")
        try:
            self._block = place.inflate.decompress(chunk)
        except zlib.error as error:
            raise ImageSourceError("the gzip file is damaged: make it again") from error
        place.compressed += len(chunk) - len(place.inflate.unused_data)
        place.position += len(self._block)
        place.fresh = place.inflate.eof
        if place.inflate.eof:
            place.inflate = zlib.decompressobj(wbits=31)
        if place.position > MAX_GUNZIPPED_BYTES:
            raise ImageSourceError(f"the archive unpacks to more than {MAX_GUNZIPPED_BYTES // 2**30} GiB: split it")
        return True
