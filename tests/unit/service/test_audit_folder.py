"""Audit folders: found by the ids that were given out and by nothing else."""

from pathlib import Path

import pytest

from service.audits.folder import AuditFolder
from service.audits.run import AuditOptions


def submitted(path: Path) -> AuditFolder:
    """An audit in a folder of any name."""
    path.mkdir(parents=True, exist_ok=True)
    folder = AuditFolder(path)
    folder.submit(AuditOptions(), "fashion-mnist@1")
    return folder


def test_an_audit_is_found_by_its_id(tmp_path: Path) -> None:
    """A submitted audit is found again with its state; before it is submitted it is none."""
    folder = AuditFolder.create(tmp_path)
    assert AuditFolder.find(tmp_path, folder.id) is None
    state = folder.submit(AuditOptions(label_column="truth"), "fashion-mnist@1")
    found = AuditFolder.find(tmp_path, folder.id)
    assert found
    assert (found.state, found.options.label_column) == (state, "truth")


@pytest.mark.parametrize("audit_id", ["..", ".", "", "A" * 16, "a" * 17, "a" * 15, "../" + "a" * 16, "a" * 16 + "\n"])
def test_no_other_name_leads_to_a_folder(tmp_path: Path, audit_id: str) -> None:
    """A name that is no id finds nothing, even where it leads to a folder that holds an audit."""
    root = tmp_path / "audits"
    for path in (tmp_path, root, tmp_path / ("a" * 16)):
        submitted(path)
    if audit_id.isalpha():
        submitted(root / audit_id)
    submitted(root / ("b" * 16))
    assert AuditFolder.find(root, audit_id) is None
    assert AuditFolder.find(root, "b" * 16)


def test_audits_are_listed_oldest_first(tmp_path: Path) -> None:
    """The list is in the order of submission, whatever the ids, and leaves out what is no audit."""
    assert AuditFolder.all(tmp_path / "nowhere") == []
    ids = [submitted(tmp_path / name).id for name in ("c" * 16, "a" * 16, "b" * 16)]
    AuditFolder.create(tmp_path)
    assert [folder.id for folder in AuditFolder.all(tmp_path)] == ids
