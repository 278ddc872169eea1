"""Audits across restarts: what was accepted is finished, what is finished stays."""

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from service.audits.folder import AuditFolder
from service.audits.steps.finish import ROWS
from service.audits.steps.options import AuditOptions
from service.jobs.tables import audit

LABELS = "image,label\n000.png,Coat\n001.png,Trouser\n"


def submitted(service: Any, archive: bytes, model: str = "fashion-mnist@1", labels: str = LABELS) -> str:
    """An audit in the ledger of a service without a worker."""
    folder = AuditFolder.create(service.data_dir / "audits")
    (folder.path / "labels.csv").write_text(labels)
    (folder.path / "images.zip").write_bytes(archive)
    folder.save_options(AuditOptions())
    service.services.audits.ledger.submit(folder.id, model=model, size=1, owner="local")
    return f"/v1/audits/{folder.id}"


def test_a_waiting_audit_is_finished_after_the_next_start(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """An audit that waited when the server stopped is run by the next one, and keeps its id."""
    with start_service(tmp_path, worker="off") as service:
        location = submitted(service, kit.archive)
        assert service.http.get(location).json()["status"] == "queued"
    with start_service(tmp_path) as service:
        assert service.ended(location)["status"] == "succeeded"
        assert len(service.http.get(f"{location}/rows").json()["rows"]) == 2


def test_a_finished_audit_is_still_there_after_a_restart(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """State, report, rows and exports of a finished audit outlive the server, and it is not run again."""
    with start_service(tmp_path) as service:
        location = service.audit(LABELS, kit.archive)
        parts = [location, f"{location}/report", f"{location}/rows", f"{location}/export?format=csv"]
        before = [service.http.get(part).content for part in parts]
    rows = tmp_path / "audits" / location.rpartition("/")[2] / ROWS
    written = rows.stat().st_mtime_ns
    with start_service(tmp_path) as service:
        assert [service.http.get(part).content for part in parts] == before
    assert rows.stat().st_mtime_ns == written


def test_a_failed_audit_is_not_run_again(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """A failed audit keeps its error over a restart."""
    with start_service(tmp_path) as service:
        location = service.submit("image,label\n", kit.archive).headers["Location"]
        before = service.ended(location)
    with start_service(tmp_path) as service:
        assert service.http.get(location).json() == before


def test_an_audit_whose_model_is_gone_fails_and_says_so(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """An audit left over for a model that is no longer there fails with the model's version, and the next one runs."""
    with start_service(tmp_path, worker="off") as service:
        location = submitted(service, kit.archive, "fashion-mnist@7")
    with start_service(tmp_path) as service:
        state = service.ended(location)
        assert state["status"] == "failed"
        assert "'7'" in state["error"]
        service.audit(LABELS, kit.archive)


def test_a_half_received_upload_is_no_audit(start_service: Any, tmp_path: Path) -> None:
    """A folder that was never submitted is neither listed nor run."""
    folder = AuditFolder.create(tmp_path / "audits")
    (folder.path / "labels.csv").write_text(LABELS)
    with start_service(tmp_path) as service:
        assert service.http.get("/v1/audits").json()["audits"] == []
        assert service.http.get(f"/v1/audits/{folder.id}").status_code == 404


def test_a_stop_in_the_middle_loses_nothing(start_service: Any, eventually: Any, kit: Any, tmp_path: Path) -> None:
    """A server stopped while one audit runs and another waits finishes both after the next start."""
    labels = kit.labels.read_bytes()
    with start_service(tmp_path, chunk_rows=5) as service:
        locations = [service.submit(labels, kit.archive).headers["Location"] for _ in range(2)]
        eventually(lambda: service.http.get(locations[0]).json()["phase"] == "looking at images", "the first runs")
    with start_service(tmp_path, chunk_rows=5) as service:
        states = [service.ended(location) for location in locations]
        assert [(state["status"], state["done"]) for state in states] == [("succeeded", 600)] * 2


@pytest.mark.parametrize("damaged", ["plan/plan.json", "options.json"])
def test_an_audit_whose_files_are_damaged_costs_itself_alone(
    start_service: Any, kit: Any, tmp_path: Path, damaged: str
) -> None:
    """Files that were damaged while the server was down fail their audit; the others run."""
    with start_service(tmp_path, worker="off") as service:
        location, whole = submitted(service, kit.archive), submitted(service, kit.archive)
    broken = tmp_path / "audits" / location.rpartition("/")[2] / damaged
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("{")
    with start_service(tmp_path) as service:
        assert service.ended(location)["status"] == "failed"
        assert service.ended(whole)["status"] == "succeeded"


def test_audits_expire_though_nobody_submits(start_service: Any, kit: Any, tmp_path: Path, eventually: Any) -> None:
    """With ``audit_days`` old audits go from the start on, and so does what was left of an upload."""
    with start_service(tmp_path) as service:
        old = service.audit(LABELS, kit.archive)
        ledger = service.services.audits.ledger
        with ledger.engine.begin() as connection:
            connection.execute(update(audit).values(ended_at=0.0))
    with start_service(tmp_path, audit_days=1) as service:
        eventually(lambda: service.http.get(old).status_code == 404, "the audit expires")
    upload = AuditFolder.create(tmp_path / "audits").path
    os.utime(upload, (0, 0))
    with start_service(tmp_path):
        eventually(lambda: not upload.exists(), "the upload is removed")
