"""Names of images as annotation tools write them, as URLs, brought to what the images given are called."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from labels.images.names import normalise_name
from labels.images.source import MAX_DEPTH, ImageSource

_LOCAL, _UPLOADED = "/data/local-files/", "/data/upload/"
"""How Label Studio refers to files on its own disk, and to files that were uploaded to it."""
_UPLOAD_MARK = re.compile(r"^[0-9a-f]{8}-")


def is_reference(name: str) -> bool:
    """Whether a name is a URL, or one of Label Studio's."""
    return "://" in name or name.startswith((_LOCAL, _UPLOADED))


def resolve_references(names: Sequence[str | None], source: ImageSource) -> list[str | None]:
    """Replace each reference by the longest tail of its path that the source has; nothing is ever fetched.

    Other names stay, and references that nothing is found for.
    """
    return [
        next(filter(source.has, _tails(name)), name) if name is not None and is_reference(name) else name
        for name in names
    ]


def _tails(reference: str) -> Iterator[str]:
    """What the image may be called: its path, then that without its first folder, and so on."""
    try:
        parts = urlsplit(reference)
        path = parse_qs(parts.query)["d"][0] if parts.path.startswith(_LOCAL) else unquote(parts.path)
    except (ValueError, KeyError):  # what only looks like a reference
        return
    normal = normalise_name(path.lstrip("/"))
    if normal is None:
        return
    folders = normal.rsplit("/", MAX_DEPTH)
    for start in range(len(folders)):
        yield "/".join(folders[start:])
    if parts.path.startswith(_UPLOADED):
        yield _UPLOAD_MARK.sub("", folders[-1])
