"""Images in a zip file, read in place and never unpacked to disk."""

import io
import stat
import zipfile
from pathlib import Path

from labels.images.errors import ImageSourceError, UnreadableImageError
from labels.images.member_index import MemberIndex
from labels.images.member_limit import MAX_IMAGE_BYTES
from labels.images.source import ImageSource, Listing

MAX_DIRECTORY_BYTES = 256 * 2**20
_STEP = 2**20


class _SmallReads(io.FileIO):
    """Refuse reads larger than any honest zip needs: zipfile takes the list of members into memory in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise ImageSourceError("the zip file's list of members is too long: split it, or give a folder")
        return super().read(size) or b""


class ZipSource(ImageSource):
    """The members of a zip file; zipfile itself serialises the reads of several threads."""

    def __init__(self, path: Path) -> None:
        self._file = _SmallReads(path)
        self._index = MemberIndex[zipfile.ZipInfo]()
        try:
            self._archive = zipfile.ZipFile(self._file)
            for info in self._archive.infolist():
                if not info.is_dir():
                    self._index.add(info.filename, info)
        except ImageSourceError as error:
            self._file.close()
            raise ImageSourceError(f"{path.name}: {error}") from error
        except Exception as error:  # zipfile fails on hostile bytes in ways that it doesn't document
            self._file.close()
            raise ImageSourceError(f"{path.name} is cut short or damaged: zip the images again") from error

    def read(self, name: str) -> bytes:
        """Read one member; see ``ImageSource.read``."""
        info = self._index.find(name)
        if info.flag_bits & 0x1:
            raise UnreadableImageError(name, "is encrypted: zip the images without a password")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UnreadableImageError(name, "is a link: zip the file itself")
        if info.compress_type not in {
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        }:  # zipfile can't bound the others' output
            raise UnreadableImageError(name, "is compressed in an unusual way: zip the images with deflate")
        try:
            data = self._unpacked(info)
        except Exception as error:  # as above
            raise UnreadableImageError(name, "is damaged in the zip file: zip the images again") from error
        if len(data) > MAX_IMAGE_BYTES:
            raise UnreadableImageError(name, f"is larger than {MAX_IMAGE_BYTES // 2**20} MiB: make it smaller")
        return data

    def _unpacked(self, info: zipfile.ZipInfo) -> bytes:
        """The whole member, or as much of it as shows that it is too large, whatever its header says."""
        data = bytearray()
        with self._archive.open(info) as member:
            while len(data) <= MAX_IMAGE_BYTES and (block := member.read(_STEP)):
                data += block
        return bytes(data)

    def has(self, name: str) -> bool:
        """See ``ImageSource.has``."""
        return name in self._index

    def listing(self) -> Listing:
        """See ``ImageSource.listing``."""
        return self._index.listing()

    def close(self) -> None:
        """Close the zip file."""
        self._archive.close()
        self._file.close()
