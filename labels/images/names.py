"""How an image is named: a path inside the images, with forward slashes."""

import re

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""By which images are told from other files; what they are is told by their bytes."""
_DRIVE = re.compile(r"[A-Za-z]:")


def normalise_name(name: str) -> str | None:
    r"""Bring ``./a//b.png`` and ``a\b.png`` to ``a/b.png``; None for a name that leads outside or to nothing.

    Absolute names, drive letters, ``..`` and NUL are never followed, wherever they would lead.
    """
    forward = name.replace("\\", "/")
    parts = [part for part in forward.split("/") if part not in {"", "."}]
    if not parts or forward.startswith("/") or _DRIVE.match(parts[0]) or ".." in parts or "\0" in forward:
        return None
    return "/".join(parts)
