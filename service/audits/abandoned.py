"""Uploads that never became audits, because the server was killed while they came, and audits half removed."""

import shutil
from pathlib import Path

from service.audits.folder import AuditFolder

ABANDONED_SECONDS = 24 * 3600.0
"""An upload to which nothing was written for so long comes no more."""


def remove_abandoned(root: Path, before: float) -> list[str]:
    """Remove uploads that were last written before that time and never submitted; returns the names of their folders.

    What was submitted stays, even where no ledger knows it: the ledger may be that of another database.
    """
    gone = abandoned(root, before)
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return sorted(path.name for path in gone)


def abandoned(root: Path, before: float) -> list[Path]:
    """Find the folders of uploads that were last written before that time and never submitted."""
    return [path for path in root.glob("*") if _is_unsubmitted(path) and _last_written(path) < before]


def _is_unsubmitted(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    upload = AuditFolder.is_id(path.name) and not (path / "options.json").exists()
    return upload or path.name.startswith(".removed-")


def _last_written(folder: Path) -> float:
    """The latest time of the folder or a file in it; one that goes meanwhile was just touched."""
    try:
        return max(path.lstat().st_mtime for path in [folder, *folder.iterdir()])
    except FileNotFoundError:
        return float("inf")
