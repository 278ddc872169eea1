"""Audits as jobs: followed, cancelled, removed, on PostgreSQL, and when the disk or the database fails."""

import json
import random
import resource
from pathlib import Path
from typing import Any

import pytest

LABELS = "image,label\n000.png,Coat\n001.png,Trouser\n"


def test_an_audit_is_followed_by_events(service: Any, kit: Any) -> None:
    """The stream tells the states in order, ends with the audit's end, and tells the end at once to who comes late."""
    location = service.submit(kit.labels.read_bytes(), kit.archive).headers["Location"]
    for _ in range(2):
        with service.http.stream("GET", f"{location}/events") as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
        states = [json.loads(line.removeprefix("data: ")) for line in lines]
        assert states[-1]["status"] == "succeeded"
        assert all(state["status"] != "succeeded" for state in states[:-1])
        last = states[-1]
    assert len(states) == 1
    assert last == service.http.get(location).json()


def test_events_of_an_audit_that_is_not_there_are_none(
    start_service: Any, kit: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks for an unknown audit is told so; who follows one that is removed sees the end of the stream."""
    with start_service(tmp_path, worker="off") as service:
        unknown = service.http.get("/v1/audits/0123456789abcdef/events")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "audit_not_found")
        location = service.submit(LABELS, kit.archive).headers["Location"]
        with service.http.stream("GET", f"{location}/events") as stream:
            lines = stream.iter_lines()
            assert "queued" in "".join(next(lines) for _ in range(3))
            assert service.http.delete(location).status_code == 204
            assert not any("data" in line for line in lines)
    assert not any(each.exc_info for each in caplog.records)


def test_a_folder_called_service_where_the_server_starts_is_not_run(
    start_service: Any, kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker runs this package, whatever lies in the folder that the server was started in."""
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    with start_service(tmp_path / "data") as service:
        service.audit(LABELS, kit.archive)


def test_a_running_audit_is_cancelled(start_service: Any, eventually: Any, kit: Any, tmp_path: Path) -> None:
    """An audit told to stop ends as cancelled in the midst of its images, and has no answers."""
    with start_service(tmp_path, chunk_rows=1) as service:
        location = service.submit(kit.labels.read_bytes(), kit.archive).headers["Location"]
        eventually(lambda: service.http.get(location).json()["phase"] == "looking at images", "it runs")
        assert service.http.post(f"{location}/cancel").status_code == 200
        state = service.ended(location)
        assert state["status"] == "cancelled"
        assert state["done"] < 600
        assert service.http.get(f"{location}/report").status_code == 409
        assert service.http.post(f"{location}/cancel").json() == state
        service.audit(LABELS, kit.archive)


def test_an_audit_is_removed_while_it_runs(start_service: Any, eventually: Any, kit: Any, tmp_path: Path) -> None:
    """After DELETE nothing of the audit is left, in the ledger or on the disk, and the worker takes up the next."""
    with start_service(tmp_path, chunk_rows=1) as service:
        location = service.submit(kit.labels.read_bytes(), kit.archive).headers["Location"]
        eventually(lambda: service.http.get(location).json()["phase"] == "looking at images", "it runs")
        assert service.http.delete(location).status_code == 204
        assert service.http.get(location).status_code == 404
        assert service.http.delete(location).status_code == 404
        kept = service.audit(LABELS, kit.archive).rpartition("/")[2]
        folders = {path.name for path in (tmp_path / "audits").iterdir()}
        assert folders == {kept}


def test_audits_run_on_postgresql(start_service: Any, postgres: Any, kit: Any, tmp_path: Path) -> None:
    """With a database URL the ledger is in PostgreSQL; two servers on one data folder tell of the same audits."""
    url = postgres.database()
    with (
        start_service(tmp_path, database_url=url) as one,
        start_service(tmp_path, database_url=url, worker="off") as two,
    ):
        location = two.submit(LABELS, kit.archive).headers["Location"]
        assert one.ended(location)["status"] == "succeeded"
        assert two.http.get(f"{location}/report").json() == one.http.get(f"{location}/report").json()
        assert two.http.delete(location).status_code == 204


def test_a_database_that_goes_away_interrupts_nothing_else(
    start_service: Any, eventually: Any, postgres: Any, kit: Any, tmp_path: Path
) -> None:
    """While PostgreSQL is down audits answer 503 and classify goes on; when it is back, the audit goes on too."""
    with start_service(tmp_path, database_url=postgres.database(), chunk_rows=5) as service:
        location = service.submit(kit.labels.read_bytes(), kit.archive).headers["Location"]
        eventually(lambda: service.http.get(location).json()["phase"] == "looking at images", "it runs")
        postgres.stop()
        try:
            refused = service.http.get(location)
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
            assert service.classify(kit.image(0).read_bytes()).status_code == 200
        finally:
            postgres.start()
        assert service.ended(location)["status"] == "succeeded"


def test_too_many_audits_are_refused(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Over the quota an upload is a 429 that says what to do, and it is not kept."""
    with start_service(tmp_path, worker="off", max_audits=1) as service:
        assert service.submit(LABELS, kit.archive).status_code == 202
        refused = service.submit(LABELS, kit.archive)
        assert (refused.status_code, refused.json()["code"]) == (429, "quota")
        assert len(list((tmp_path / "audits").iterdir())) == 1


def test_answers_without_room_fail_the_audit(start_service: Any, eventually: Any, kit: Any, tmp_path: Path) -> None:
    """A disk that is full while an audit runs ends it with what to do; the service and the next audit go on."""
    with start_service(tmp_path) as service:
        service.audit(LABELS, kit.archive)
        pid = service.services.audits._runner.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        chance = random.Random(0)
        long = "image,label,n\n" + "".join(f"{i:03}.png,Coat,{chance.randbytes(9000).hex()}\n" for i in range(600))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 22, before[1]))
        state = service.ended(service.submit(long, kit.archive).headers["Location"])
        assert state["status"] == "failed"
        assert "no room left" in state["error"]
        pid = eventually(lambda: service.services.audits._runner.pid, "a worker lives")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        service.audit(LABELS, kit.archive)


def test_pages_without_room_for_their_index_are_a_507(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Where the index of the rows can't be written the answer says so, no part of it stays, and later it is made."""
    with start_service(tmp_path) as service:
        location = service.audit(kit.labels.read_bytes(), kit.archive)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a number for each of 600 rows needs more
        try:
            refused = service.http.get(f"{location}/rows")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (refused.status_code, refused.json()["code"]) == (507, "no_room")
        folder = tmp_path / "audits" / location.rpartition("/")[2]
        assert [path.name for path in folder.iterdir() if "index" in path.name] == []
        assert len(service.http.get(f"{location}/rows", params={"limit": 1000}).json()["rows"]) == 600


@pytest.fixture(scope="module")
def reviewed(service: Any, kit: Any) -> str:
    """A finished audit to decide about."""
    location: str = service.audit(kit.labels.read_bytes(), kit.archive)
    return location


def decide(service: Any, location: str, row: int, version: int | None = None, **decision: Any) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return service.http.patch(f"{location}/rows/{row}", json=decision, headers=headers)


def test_a_decision_is_kept_and_shown(service: Any, reviewed: str) -> None:
    """A decision has a version as ETag, stands beside its row with author and time, and rows are found by it."""
    taken = decide(service, reviewed, 3, decision="relabel", label="Coat", author="ann")
    assert (taken.status_code, taken.headers["ETag"]) == (200, '"1"')
    rows = service.http.get(f"{reviewed}/rows", params={"decision": "relabel"}).json()["rows"]
    assert [(row["row"], row["decision"]["label"], row["decision"]["author"]) for row in rows] == [(3, "Coat", "ann")]
    undecided = service.http.get(f"{reviewed}/rows", params={"decision": "none", "limit": 1000}).json()["rows"]
    assert len(undecided) == 599
    assert all(row["decision"] is None for row in undecided)
    history = service.http.get(f"{reviewed}/rows/3/decisions").json()
    assert [each["version"] for each in history] == [1]


def test_two_reviewers_do_not_overwrite_each_other(service: Any, reviewed: str) -> None:
    """Who has not seen the latest decision is told of it with 412; who has, may change it."""
    assert decide(service, reviewed, 5, decision="keep", author="ann").status_code == 200
    for version in (None, 0):
        late = decide(service, reviewed, 5, version, decision="unsure", author="bob")
        assert (late.status_code, late.json()["code"]) == (412, "decided_meanwhile")
        assert "ann" in late.json()["detail"]
    assert decide(service, reviewed, 5, 1, decision="unsure", author="bob").headers["ETag"] == '"2"'


def test_many_decisions_at_once(service: Any, reviewed: str) -> None:
    """Of many decisions those in conflict stand back and are listed; the rest is taken."""
    decide(service, reviewed, 10, decision="keep", author="ann")
    many = [{"row": row, "decision": "keep"} for row in range(10, 15)]
    answer = service.http.post(f"{reviewed}/decisions", json={"decisions": many}).json()
    assert [each["row"] for each in answer["taken"]] == [11, 12, 13, 14]
    assert [(each["row"], each["author"]) for each in answer["conflicts"]] == [(10, "ann")]


@pytest.mark.parametrize(
    ("row", "decision", "code"),
    [
        (600, {"decision": "keep"}, "decision"),
        (-1, {"decision": "keep"}, "invalid_request"),
        (2**70, {"decision": "keep"}, "invalid_request"),
        (0, {"decision": "keep", "author": "a\0"}, "invalid_request"),
        (0, {"decision": "relabel", "label": "Sock"}, "decision"),
        (0, {"decision": "relabel"}, "invalid_request"),
        (0, {"decision": "keep", "label": "Coat"}, "invalid_request"),
        (0, {"decision": "burn"}, "invalid_request"),
        (0, {"decision": "keep", "mood": "good"}, "invalid_request"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(
    service: Any, reviewed: str, row: int, decision: dict[str, str], code: str
) -> None:
    """A row, a class or a verdict that there is not, is refused with a code, and nothing is kept."""
    answer = decide(service, reviewed, row, **decision)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_row_that_no_audit_can_have_is_refused(service: Any, reviewed: str) -> None:
    """A number that fits no database is a refusal, not a failure, wherever a row is named."""
    for path in (f"{2**70}/decisions", f"{2**70}/image", "-1/decisions"):
        assert service.http.get(f"{reviewed}/rows/{path}").status_code == 422
    far = {"decisions": [{"row": 0, "decision": "keep", "version": 2**70}]}
    assert service.http.post(f"{reviewed}/decisions", json=far).status_code == 422


def test_reviewed_labels_come_out_and_go_in_again(service: Any, kit: Any) -> None:
    """The export has the reviewers' labels, what was said before, and who is trusted; re-scoring flags none of them."""
    location = service.audit(kit.labels.read_bytes(), kit.archive)
    rows = service.http.get(f"{location}/rows", params={"limit": 20}).json()["rows"]
    for row in rows[:10]:
        decide(service, location, row["row"], decision="relabel", label=row["suggested_label"])
    decide(service, location, rows[10]["row"], decision="keep")
    decide(service, location, rows[11]["row"], decision="unsure")
    text = service.http.get(f"{location}/export", params={"format": "jsonl", "labels": "reviewed"}).text
    exported = [json.loads(line) for line in text.splitlines()]
    for row in rows[:10]:
        out = exported[row["row"]]
        assert (out["label"], out["original_label"], out["trusted"]) == (row["suggested_label"], row["label"], True)
    assert exported[rows[10]["row"]]["trusted"]
    assert not exported[rows[11]["row"]]["trusted"]
    assert sum(row["label"] != row["original_label"] for row in exported) == 10

    before = service.http.get(f"{location}/report").json()
    again = service.http.post(f"{location}/rescore")
    assert (again.status_code, again.json()["revision"]) == (202, 1)
    assert service.ended(location)["status"] == "succeeded"
    after = service.http.get(f"{location}/report").json()
    assert after["flagged"] < before["flagged"]
    scored = service.http.get(f"{location}/rows", params={"sort": "row", "limit": 600}).json()["rows"]
    assert not any(scored[row["row"]]["flagged"] for row in rows[:11])
    audited = service.audit(text, kit.archive, labels_name="labels.jsonl")
    alike = service.http.get(f"{audited}/report").json()
    assert alike["noise_rate"] == pytest.approx(after["noise_rate"])


def test_a_row_has_its_picture(service: Any, reviewed: str) -> None:
    """The picture of a row comes as PNG, smaller on request; a row that is not there has none."""
    picture = service.http.get(f"{reviewed}/rows/0/image")
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/png")
    assert picture.content.startswith(b"\x89PNG")
    assert len(service.http.get(f"{reviewed}/rows/0/image?size=8").content) < len(picture.content)
    missing = service.http.get(f"{reviewed}/rows/600/image")
    assert (missing.status_code, missing.json()["code"]) == (404, "picture_not_found")


def test_an_audit_gives_confidence_labels(service: Any, reviewed: str) -> None:
    """What the audit found of each label is a confidence-label file: rows that sum to 1, for the model's classes."""
    labels = service.http.get(f"{reviewed}/confidence-labels").json()
    assert labels["classes"] == service.http.get(f"{reviewed}/report").json()["transition"]["classes"]
    for row in (*labels["untrusted"], *labels["trusted"]):
        assert sum(row) == pytest.approx(1)
