"""What was left of uploads when a server was killed is removed, and nothing else."""

import os
from pathlib import Path

from service.audits.abandoned import remove_abandoned

OLD, LONG_AGO, NOW = 1_000.0, 2_000.0, 3_000.0


def folder(root: Path, name: str, written: float, file_written: float | None = None) -> Path:
    path = root / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "images.zip").write_bytes(b"PK")
    os.utime(path / "images.zip", (file_written or written,) * 2)
    os.utime(path, (written, written))
    return path


def test_only_old_uploads_that_are_no_audits_go(tmp_path: Path) -> None:
    """An upload that stopped long ago goes; audits, uploads under way and other people's files stay."""
    outside = folder(tmp_path / "outside", "f" * 16, OLD)
    root = tmp_path / "audits"
    gone = [folder(root, name, OLD) for name in ("0" * 16, ".removed-" + "1" * 16 + "-aabbccdd")]
    audit = root / ("a" * 16)
    audit.mkdir()
    (audit / "options.json").write_text("{}")
    os.utime(audit / "options.json", (OLD, OLD))
    kept = [
        folder(root, audit.name, OLD),
        folder(root, "b" * 16, NOW),
        folder(root, "c" * 16, OLD, file_written=NOW),
        folder(root, "backup", OLD),
    ]
    (root / ("d" * 16)).symlink_to(outside)
    assert remove_abandoned(root, LONG_AGO) == sorted(path.name for path in gone)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in [*kept, outside])


def test_links_in_an_abandoned_upload_are_not_followed(tmp_path: Path) -> None:
    """Images that an abandoned upload only pointed to stay where they are."""
    images = folder(tmp_path / "mounts", "clothes", OLD)
    upload = folder(tmp_path / "audits", "0" * 16, OLD)
    (upload / "images").symlink_to(images)
    os.utime(upload / "images", (OLD, OLD), follow_symlinks=False)
    os.utime(upload, (OLD, OLD))
    assert remove_abandoned(tmp_path / "audits", LONG_AGO) == ["0" * 16]
    assert (images / "images.zip").exists()


def test_where_no_audit_ever_was_nothing_is_removed(tmp_path: Path) -> None:
    """A data folder without audits is no error."""
    assert remove_abandoned(tmp_path / "audits", NOW) == []
