"""Audits across restarts: what was accepted is finished, what is finished stays."""

import threading
from pathlib import Path
from typing import Any

import pytest

from labels.images.opening import open_image_source
from models.repository import ModelRepository
from service.audits import run
from service.audits.folder import AuditFolder
from service.audits.jobs import Audits
from service.audits.run import AuditOptions
from service.loaded_models import LoadedModels
from service.settings import Settings

LABELS = "image,label\n000.png,Coat\n001.png,Trouser\n"


def submitted(root: Path, archive: bytes, **changes: Any) -> AuditFolder:
    """An audit as a server leaves it that was stopped the hard way."""
    folder = AuditFolder.create(root)
    (folder.path / "labels.csv").write_text(LABELS)
    (folder.path / "images.zip").write_bytes(archive)
    state = folder.submit(AuditOptions(), "fashion-mnist@1")
    folder.save(state.model_copy(update=changes))
    return folder


@pytest.mark.parametrize("status", ["queued", "running"])
def test_an_unfinished_audit_is_finished_after_the_next_start(
    start_service: Any, kit: Any, tmp_path: Path, status: str
) -> None:
    """An audit that waited or ran when the server died is run again at the next start, and keeps its id."""
    folder = submitted(tmp_path / "audits", kit.archive, status=status, phase="looking at images", done=1, total=2)
    with start_service(tmp_path) as service:
        assert service.ended(f"/v1/audits/{folder.id}")["status"] == "succeeded"
        assert len(service.http.get(f"/v1/audits/{folder.id}/rows").json()["rows"]) == 2


def test_a_finished_audit_is_still_there_after_a_restart(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """State, report, rows and exports of a finished audit outlive the server, and it is not run again."""
    with start_service(tmp_path) as service:
        location = service.audit(LABELS, kit.archive)
        parts = [location, f"{location}/report", f"{location}/rows", f"{location}/export?format=csv"]
        before = [service.http.get(part).content for part in parts]
    written = (tmp_path / "audits" / location.rpartition("/")[2] / run.ROWS).stat().st_mtime_ns
    with start_service(tmp_path) as service:
        assert [service.http.get(part).content for part in parts] == before
    assert (tmp_path / "audits" / location.rpartition("/")[2] / run.ROWS).stat().st_mtime_ns == written


def test_a_failed_audit_is_not_run_again(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """A failed audit keeps its error over a restart."""
    with start_service(tmp_path) as service:
        location = service.submit("image,label\n", kit.archive).headers["Location"]
        before = service.ended(location)
    with start_service(tmp_path) as service:
        assert service.http.get(location).json() == before


def test_an_audit_whose_model_is_gone_fails_and_says_so(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """An audit left over for a model that is no longer served fails with the model's name, and the service starts."""
    folder = submitted(tmp_path / "audits", kit.archive, model="fashion-mnist@7")
    with start_service(tmp_path) as service:
        state = service.ended(f"/v1/audits/{folder.id}")
        assert state["status"] == "failed"
        assert "'7'" in state["error"]


def test_a_half_received_upload_is_no_audit(start_service: Any, tmp_path: Path) -> None:
    """A folder that was never submitted is neither listed nor run."""
    folder = AuditFolder.create(tmp_path / "audits")
    (folder.path / "labels.csv").write_text(LABELS)
    with start_service(tmp_path) as service:
        assert service.http.get("/v1/audits").json() == {"audits": []}
        assert service.http.get(f"/v1/audits/{folder.id}").status_code == 404


class HeldImages:
    """Images that are only given out when the test says so."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def open(self, path: Path) -> Any:
        source = open_image_source(path)
        read = source.read

        def held(name: str) -> bytes:
            self.asked.set()
            assert self.go_on.wait(60)
            return read(name)

        source.read = held  # type: ignore[method-assign]
        return source


def test_a_stop_in_the_middle_loses_nothing(
    start_service: Any, kit: Any, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server stopped while one audit runs and another waits finishes both after the next start."""
    images = HeldImages()
    models = LoadedModels(ModelRepository(shipped), Settings(inference_threads=1, device="cpu"))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(run, "open_image_source", images.open)
            audits = Audits(tmp_path / "audits", models, max_pixels=10_000)
            folders = []
            for _ in range(2):
                folder = audits.new_folder()
                (folder.path / "labels.csv").write_text(LABELS)
                (folder.path / "images.zip").write_bytes(kit.archive)
                audits.submit(folder, AuditOptions())
                folders.append(folder)
            assert images.asked.wait(60)
            closing = threading.Thread(target=audits.close)
            closing.start()
            while not audits._stopping:
                assert closing.is_alive()
            images.go_on.set()
            closing.join(60)
            assert not closing.is_alive()
    finally:
        models.close()
    assert [folder.state.status for folder in folders] == ["running", "queued"]
    with start_service(tmp_path) as service:
        assert [service.ended(f"/v1/audits/{folder.id}")["status"] for folder in folders] == ["succeeded"] * 2


def test_an_audit_whose_state_is_damaged_does_not_stop_the_others(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """A state file that a crash left empty costs its audit alone: the server starts, lists and runs the rest."""
    damaged = submitted(tmp_path / "audits", kit.archive)
    (damaged.path / "state.json").write_text("")
    whole = submitted(tmp_path / "audits", kit.archive)
    with start_service(tmp_path) as service:
        assert service.ended(f"/v1/audits/{whole.id}")["status"] == "succeeded"
        assert [audit["id"] for audit in service.http.get("/v1/audits").json()["audits"]] == [whole.id]
        assert service.http.get(f"/v1/audits/{damaged.id}").status_code == 404
