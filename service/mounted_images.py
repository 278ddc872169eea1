"""Folders of images that the operator mounted, so that large ones need not be uploaded."""

from pathlib import Path

from service.http.bodies import BodyError


def find_mounted(root: Path | None, name: str) -> Path:
    """Find a folder by its name among those directly in ``root``; raises ``BodyError`` where there is none.

    The name from outside is only compared, never made part of a path.
    """
    found = next((path for path in _folders(root) if path.name == name), None)
    if found is None:
        raise BodyError(f"dataset: no folder {name!r} is mounted here; name one that is, or send the images as a file")
    return found.resolve()


def mounted_names(root: Path | None) -> list[str]:
    """The names by which ``find_mounted`` finds folders."""
    return [path.name for path in _folders(root)]


def _folders(root: Path | None) -> list[Path]:
    if root is None:
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
