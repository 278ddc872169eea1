"""The real server as a process of its own: one user's whole way, its start and its end."""

import io
import resource
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

WAIT = 60


def ended(client: httpx.Client, location: str) -> dict[str, Any]:
    """Follow an audit by its progress until it has ended."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        state: dict[str, Any] = client.get(location).json()
        if state["status"] not in {"queued", "running"}:
            return state
        time.sleep(0.02)
    pytest.fail("the audit does not end")


def test_a_users_whole_way(lookalike: Any, kit: Any, tmp_path: Path, serving: Any) -> None:
    """Classify, upload an audit, follow it, read report and rows, take the corrected labels home, stop the server."""
    process = lookalike.process("serve", "--port", "0")
    with serving(process) as (client, said):
        picture = kit.image(0).read_bytes()
        answer = client.post("/v1/classify", content=picture, headers={"Content-Type": "image/png"})
        assert answer.status_code == 200
        assert answer.json()["model"]["name"] == "fashion-mnist"

        files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
        submitted = client.post("/v1/audits", files=files)
        assert submitted.status_code == 202
        location = submitted.headers["Location"]
        state = ended(client, location)
        assert (state["status"], state["done"], state["total"]) == ("succeeded", 600, 600)

        report = client.get(f"{location}/report").json()
        assert report["rows"] == 600
        assert report["asymmetry"]["verdict"] == "asymmetric"
        page = client.get(f"{location}/rows", params={"limit": 20}).json()
        truth = pl.read_csv(kit.truth)["label"].to_list()
        assert sum(row["label"] != truth[row["row"]] for row in page["rows"]) >= 15
        exported = client.get(f"{location}/export", params={"format": "csv", "labels": "suggested"})
        corrected = pl.read_csv(io.BytesIO(exported.content))
        assert corrected["image"].to_list() == pl.read_csv(kit.labels)["image"].to_list()
        wrong_before = sum(a != b for a, b in zip(corrected["original_label"], truth, strict=True))
        wrong_after = sum(a != b for a, b in zip(corrected["label"], truth, strict=True))
        assert wrong_after < wrong_before / 2

        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0
    assert "Traceback" not in "".join(said)
    assert (tmp_path / "data" / "audits").is_dir()


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_audit_survives_the_server_that_took_it(
    lookalike: Any, kit: Any, end: signal.Signals, code: int, serving: Any
) -> None:
    """Told to stop or killed just after an upload, a server loses nothing: the next one finishes the audit, whole."""
    process = lookalike.process("serve", "--port", "0")
    with serving(process) as (client, said):
        files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
        location = client.post("/v1/audits", files=files).headers["Location"]
        process.send_signal(end)
        assert process.wait(WAIT) == code
    assert "Traceback" not in "".join(said)
    with serving(lookalike.process("serve", "--port", "0")) as (client, _):
        assert ended(client, location)["status"] == "succeeded"
        assert client.get(f"{location}/report").json()["rows"] == 600


def test_a_client_that_never_finishes_does_not_keep_the_server_from_ending(lookalike: Any, serving: Any) -> None:
    """With a request half sent, the server still ends once the time for requests under way is over."""
    process = lookalike.process("serve", "--port", "0", settings={"LOOKALIKE_SHUTDOWN_SECONDS": "1"})
    with serving(process) as (client, _):
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, timeout=WAIT) as slow:
            head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 999\r\n\r\n"
            slow.sendall(head.encode() + b"some")
            assert client.get("/healthz").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT) == 0


def test_an_upload_without_room_is_refused_and_leaves_nothing(
    lookalike: Any, kit: Any, tmp_path: Path, serving: Any
) -> None:
    """Where an upload can't be stored the answer says so, nothing of it stays, and the service goes on."""
    process = lookalike.process("serve", "--port", "0")
    with serving(process) as (client, _):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))  # the kernel refuses larger files
        files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
        answer = client.post("/v1/audits", files=files)
        assert (answer.status_code, answer.json()["code"]) == (507, "no_room")
        assert list((tmp_path / "data" / "audits").iterdir()) == []
        assert client.get("/v1/audits").json()["audits"] == []
        assert client.get("/readyz").status_code == 200


def broken_manifest(shipped: Path, folder: Path) -> None:
    (folder / "clothes" / "1").mkdir(parents=True)
    (folder / "clothes" / "1" / "manifest.json").write_text('{"name": "clothes"')


def changed_graph(shipped: Path, folder: Path) -> None:
    copy = shutil.copytree(shipped, folder, dirs_exist_ok=True)
    with next(Path(copy).glob("*/*/model.onnx")).open("ab") as graph:
        graph.write(b"x")


@pytest.mark.parametrize(
    ("prepare", "settings", "said"),
    [
        (lambda *_: None, {}, "no models in"),
        (broken_manifest, {}, "clothes@1: manifest.json"),
        (changed_graph, {}, "model.onnx does not have the sha256"),
        (lambda *_: None, {"LOOKALIKE_PORTT": "1"}, "unknown setting LOOKALIKE_PORTT"),
        (lambda *_: None, {"LOOKALIKE_MAX_BATCH": "0"}, "LOOKALIKE_MAX_BATCH=0"),
        (
            lambda *_: None,
            {"LOOKALIKE_KEYS_FILE": "no.json"},
            "no key file no.json: make a key with `lookalike keys new`",
        ),
        (lambda *_: None, {"LOOKALIKE_KEYS_FILE": "x", "LOOKALIKE_ALLOW_ANONYMOUS": "1"}, "contradict each other"),
    ],
    ids=[
        "no models",
        "broken manifest",
        "changed graph",
        "unknown setting",
        "impossible setting",
        "no keys",
        "keys and no keys",
    ],
)
def test_what_prevents_the_start_is_said_in_one_line(
    lookalike: Any, shipped: Path, tmp_path: Path, prepare: Any, settings: dict[str, str], said: str
) -> None:
    """A server that can't start ends with code 1 and one line on stderr that names the cause."""
    store = tmp_path / "store"
    store.mkdir()
    prepare(shipped, store)
    result = lookalike("serve", "--port", "0", "--models", store, settings=settings)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("lookalike: ")
    assert said in line


def test_a_worker_of_its_own_carries_audits_out(lookalike: Any, kit: Any, serving: Any) -> None:
    """With LOOKALIKE_WORKER=off audits wait for `lookalike worker`, which ends with code 0 when told to stop."""
    with serving(lookalike.process("serve", "--port", 0, settings={"LOOKALIKE_WORKER": "off"})) as (client, _):
        files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
        location = client.post("/v1/audits", files=files).headers["Location"]
        assert client.get(location).json()["status"] == "queued"
        worker = lookalike.process("worker")
        try:
            assert ended(client, location)["status"] == "succeeded"
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=WAIT)
            assert worker.returncode == 0
        finally:
            worker.kill()
            worker.wait(WAIT)


def test_tables_are_brought_up_to_date_by_command(lookalike: Any) -> None:
    """`lookalike migrate` makes the tables, says nothing, and may be run again."""
    for _ in range(2):
        result = lookalike("migrate")
        assert (result.returncode, result.stdout) == (0, "")
    assert (lookalike.cwd / "data" / "lookalike.db").exists()


def test_a_server_that_others_can_reach_takes_keys(lookalike: Any, kit: Any, serving: Any) -> None:
    """Beyond loopback the server starts only with keys, made by the command that it names, or by the clear opt-out."""
    refused = lookalike("serve", "--host", "0.0.0.0", "--port", "0")
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "lookalike keys new" in line
    assert "LOOKALIKE_ALLOW_ANONYMOUS=true" in line

    made = lookalike("keys", "new", "--file", "keys.json", "--name", "ann", "--scope", "classify", "--scope", "audit")
    assert made.returncode == 0, made.stderr
    settings = {"LOOKALIKE_KEYS_FILE": "keys.json"}
    with serving(lookalike.process("serve", "--host", "0.0.0.0", "--port", 0, settings=settings)) as (client, _):
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/models").status_code == 401
        client.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
        files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
        assert client.post("/v1/audits", files=files).json()["owner"] == "ann"
        assert client.get("/metrics").status_code == 403

    settings = {"LOOKALIKE_ALLOW_ANONYMOUS": "true"}
    with serving(lookalike.process("serve", "--host", "0.0.0.0", "--port", 0, settings=settings)) as (client, _):
        assert client.get("/v1/models").status_code == 200


def test_keys_are_asked_for_on_loopback_too(lookalike: Any, serving: Any) -> None:
    """Once keys are set, also what comes from this very machine needs one: a proxy on it may speak for anybody."""
    lookalike("keys", "new", "--file", "keys.json", "--name", "ann", "--scope", "classify")
    settings = {"LOOKALIKE_KEYS_FILE": "keys.json"}
    with serving(lookalike.process("serve", "--port", 0, settings=settings)) as (client, _):
        assert client.get("/v1/models").status_code == 401
