"""Fuzzes the readers of archives: `python tests/fuzz/archives.py zip --seconds 300`."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["labels", "models", "zipfile", "tarfile"]):
    import gzip
    import io
    import tarfile
    import zipfile

    from harness import main

    from labels.errors import LabelFileError
    from labels.images.errors import ImageSourceError
    from labels.images.opening import open_image_source
    from labels.labelled_images import read_labelled_images

MEMBERS = {
    "a.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "images/b.png": b"b" * 3000,
    "images/metadata.csv": b"file_name,label\nb.png,Shirt\n",
    "../c.png": b"c",
    "e/" * 60 + "d": b"d",
}


def read(path: Path) -> None:
    """Open an archive as an audit does, and read what it may hold, by the names that it gives and by others."""
    try:
        read_labelled_images(path)
    except (LabelFileError, ImageSourceError) as error:
        assert path.name in str(error), "the message does not name the file"
    try:
        with open_image_source(path) as source:
            for name in (*MEMBERS, "b.png", "/etc/passwd", "link", ""):
                try:
                    source.read(name)
                except ImageSourceError:
                    continue
    except ImageSourceError as error:
        assert path.name in str(error), "the message does not name the file"


def zips() -> list[bytes]:
    """Honest zip files, stored and deflated, one with a comment."""
    made = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            archive.comment = b"PK" * compression
            for name, content in MEMBERS.items():
                archive.writestr(name, content)
        made.append(buffer.getvalue())
    return made


def tars() -> list[bytes]:
    """Honest tar files of each format, with a link and a device among the members."""
    made = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            for name, content in MEMBERS.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            for name, kind in (("link", tarfile.SYMTYPE), ("device", tarfile.CHRTYPE)):
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, "/etc/passwd"
                archive.addfile(member)
        made.append(buffer.getvalue())
    return made


if __name__ == "__main__":
    main(
        {
            "zip": (".zip", zips, read),
            "tar": (".tar", tars, read),
            "tgz": (".tar.gz", lambda: [gzip.compress(each) for each in tars()], read),
        }
    )
