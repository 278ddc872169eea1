"""Images in a tar file, plain or gzipped, read in place and never unpacked to disk."""

import tarfile
from pathlib import Path

from labels.images.errors import ImageSourceError, UnreadableImageError
from labels.images.member_index import MemberIndex
from labels.images.member_limit import MAX_IMAGE_BYTES
from labels.images.random_reader import GzipReader, PlainReader, RandomReader
from labels.images.source import ImageSource, Listing

_MAX_HEADER_BYTES = 2**20


class _Headers:
    """What tarfile sees: headers only, none of them large. A header's extension may claim any size."""

    def __init__(self, reader: RandomReader) -> None:
        self._reader = reader
        self.seek = reader.seek
        self.tell = reader.tell

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER_BYTES:
            raise ImageSourceError("the tar file has a header that is too large: make it again")
        return self._reader.read(size) or b""


class TarSource(ImageSource):
    """The regular members of a tar file: one pass over the headers, then reads at their offsets."""

    def __init__(self, path: Path, *, gzipped: bool) -> None:
        self._reader: RandomReader = GzipReader(path) if gzipped else PlainReader(path)
        self._index = MemberIndex[tuple[int, int] | None]()
        try:
            self._read_headers()
        except ImageSourceError as error:
            self._reader.close()
            raise ImageSourceError(f"{path.name}: {error}") from error
        except Exception as error:  # tarfile fails on hostile bytes in ways that it doesn't document
            self._reader.close()
            raise ImageSourceError(f"{path.name} is no tar file, or cut short or damaged: make it again") from error

    def _read_headers(self) -> None:
        archive = tarfile.open(fileobj=_Headers(self._reader), mode="r:")  # type: ignore[call-overload]  # noqa: SIM115
        before = -1
        while (member := archive.next()) is not None:
            if member.size < 0 or archive.offset <= before:
                raise ImageSourceError("a member has a negative size: make the tar file again")
            before = archive.offset
            archive.members.clear()  # else every header stays in memory
            if member.isreg() and not member.issparse():
                self._index.add(member.name, (member.offset_data, member.size))
            elif not member.isdir():
                self._index.add(member.name, None)  # links and devices are there, but never read
        if self._reader.read_at(archive.offset, tarfile.BLOCKSIZE).strip(
            b"\0"
        ):  # tarfile ends silently at a bad header
            raise ImageSourceError("the tar file is damaged in the middle: make it again")

    def read(self, name: str) -> bytes:
        """Read one member; see ``ImageSource.read``."""
        place = self._index.find(name)
        if place is None:
            raise UnreadableImageError(name, "is a link or a device in the tar file: put the file itself there")
        offset, size = place
        if size > MAX_IMAGE_BYTES:  # no lie is possible here: the header's size is all that is read
            raise UnreadableImageError(name, f"is larger than {MAX_IMAGE_BYTES // 2**20} MiB: make it smaller")
        try:
            data = self._reader.read_at(offset, size)
        except (OSError, ImageSourceError) as error:
            raise UnreadableImageError(name, f"can't be read: {error}") from error
        if len(data) < size:
            raise UnreadableImageError(name, "is cut short: the tar file ends before it")
        return data

    def has(self, name: str) -> bool:
        """See ``ImageSource.has``."""
        return name in self._index

    def listing(self) -> Listing:
        """See ``ImageSource.listing``."""
        return self._index.listing()

    def close(self) -> None:
        """Close the tar file."""
        self._reader.close()
