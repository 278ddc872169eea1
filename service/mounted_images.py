"""Folders of images that the operator mounted, so that large ones need not be uploaded."""

from pathlib import Path

from service.bodies import BodyError


def find_mounted(root: Path | None, name: str) -> Path:
    """Find a folder by its name among those directly in ``root``; raises ``BodyError`` where there is none.

    The name from outside is only compared, never made part of a path.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root is not None else []
    found = next((path for path in folders if path.name == name and not name.startswith(".")), None)
    if found is None:
        raise BodyError(f"dataset: no folder {name!r} is mounted here; name one that is, or send the images as a file")
    return found.resolve()
