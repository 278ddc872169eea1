"""Open whatever holds the images of a label file: a folder, a zip file or a tar file."""

from pathlib import Path

from labels.images.errors import ImageSourceError
from labels.images.folder import FolderSource
from labels.images.source import ImageSource
from labels.images.tar_archive import TarSource
from labels.images.zip_archive import ZipSource

ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")


def holds_images(path: Path) -> bool:
    """Whether it is a folder, or by its name an archive, and so no label file."""
    return path.is_dir() or path.name.lower().endswith(ARCHIVE_ENDINGS)


def open_image_source(path: Path) -> ImageSource:
    """Open a folder, or an archive: told by its first bytes, since an upload's name says little.

    Raises ``ImageSourceError`` for anything else, and for an archive that is damaged or has too many members.
    """
    if path.is_dir():
        return FolderSource(path)
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise ImageSourceError(f"{path.name} can't be read: {error.strerror}") from error
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipSource(path)
    if start.startswith(b"\x1f\x8b"):
        return TarSource(path, gzipped=True)
    if start[257:262] == b"ustar":
        return TarSource(path, gzipped=False)
    raise ImageSourceError(f"{path.name} is no archive that can be opened: give a folder, a .zip, a .tar or a .tar.gz")
