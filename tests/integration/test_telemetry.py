"""What an operator sees of a running service: its metrics, its log, and how a request is found in them."""

import asyncio
import json
import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from service.access.key_file import add_key
from service.access.keys import new_key
from service.audits.audits import Audits

CLASSIFY = {"method": "POST", "route": "/v1/classify"}
MODEL = {"model": "fashion-mnist", "version": "1"}


def metrics(service: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples by name and labels, as Prometheus would read them."""
    answer = service.http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(service: Any, name: str, **labels: object) -> float:
    """One sample; 0 where there is none yet."""
    return metrics(service).get((name, frozenset((key, str(each)) for key, each in labels.items())), 0.0)


@pytest.fixture
def picture(kit: Any) -> bytes:
    return kit.image(0).read_bytes()


def test_every_image_leaves_its_traces(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """After a request of five images, one of them bad, each metric of the way to the answer has counted it."""
    with start_service(tmp_path) as service:
        images = [kit.image(i).read_bytes() for i in range(4)]
        predictions = service.classify_many(*images, b"no image").json()["predictions"][:4]
        assert value(service, "lookalike_requests_total", **CLASSIFY, status=200) == 1
        assert value(service, "lookalike_request_duration_seconds_count", **CLASSIFY) == 1
        assert value(service, "lookalike_decode_seconds_count", **MODEL) == 5
        assert value(service, "lookalike_batch_images_sum", **MODEL) == 4
        assert value(service, "lookalike_inference_seconds_count", **MODEL) == 1
        assert value(service, "lookalike_queue_wait_seconds_count", **MODEL) == 1
        outcomes = [(each["class"], each["decision"]["level"]) for each in predictions]
        for kind, level in set(outcomes):
            counted = value(service, "lookalike_predictions_total", **MODEL, **{"class": kind, "level": level})
            assert counted == outcomes.count((kind, level))
        assert value(service, "lookalike_class_drift_images", **MODEL) == 4
        assert value(service, "lookalike_model_info", **MODEL, kind="classifier", device="cpu") == 1
        assert value(service, "process_resident_memory_bytes") > 1e6


def test_prometheus_gets_the_format_that_it_asks_for(service: Any) -> None:
    """OpenMetrics where it is accepted, plain text elsewhere; both parse, and a nonsensical header does no harm."""
    accepted = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    answer = service.http.get("/metrics", headers={"Accept": accepted})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert len(list(openmetrics.text_string_to_metric_families(answer.text))) > 10
    for other in ("*/*", "text/plain", "text/plain; version=nonsense", "application/json"):
        answer = service.http.get("/metrics", headers={"Accept": other})
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
        assert len(list(text_string_to_metric_families(answer.text))) > 10


def test_paths_make_no_series(service: Any) -> None:
    """A thousand paths of a scanner are one series, and so are all audits that are asked for."""
    service.http.get("/v1/audits/0/report")
    before = len(metrics(service))
    for number in range(50):
        assert service.http.get(f"/admin/{number}.php").status_code == 404
        assert service.http.get(f"/v1/audits/{number}/report").status_code == 404
    assert len(metrics(service)) <= before + 30  # the histogram and the counter of one more route
    assert value(service, "lookalike_requests_total", method="GET", route="none", status=404) >= 50


def test_a_version_that_is_gone_leaves_no_series(
    start_service: Any, shipped: Path, picture: bytes, tmp_path: Path
) -> None:
    """However many versions come and go, the series are those of the versions that are served."""
    store = shutil.copytree(shipped, tmp_path / "store")
    second = shutil.copytree(store / "fashion-mnist" / "1", store / "fashion-mnist" / "2")
    manifest = json.loads((second / "manifest.json").read_text())
    (second / "manifest.json").write_text(json.dumps(manifest | {"version": "2"}))
    with start_service(tmp_path / "data", models_dir=store) as service:
        for version in ("1", "2"):
            assert service.classify(picture, version=version).status_code == 200
        assert value(service, "lookalike_class_drift_images", model="fashion-mnist", version="2") == 1
        shutil.rmtree(second)
        service.services.models.refresh()
        assert {dict(labels)["version"] for _, labels in metrics(service) if "model" in dict(labels)} == {"1"}


def test_load_that_is_shed_is_counted_by_its_reason(start_service: Any, picture: bytes, tmp_path: Path) -> None:
    """A request that found no room, or no time, is counted under the code that its client was told."""
    with start_service(tmp_path, max_queue=1, max_images=1, hold_seconds=0, deadline_seconds=0.05) as service:
        loaded, free = service.services.models.get(), threading.Event()
        model = loaded.queue.model

        class Held:
            def score(self, images: Any) -> Any:
                assert free.wait(60)
                return model.score(images)

        loaded.queue.model = Held()
        try:
            assert service.classify(picture).json()["code"] == "deadline"
            loaded.admission.admitted += 1
            assert value(service, "lookalike_images_in_progress", **MODEL) == 1
            assert service.classify(picture).json()["code"] == "overloaded"
        finally:
            loaded.admission.admitted -= 1
            free.set()
        assert value(service, "lookalike_errors_total", code="deadline") == 1
        assert value(service, "lookalike_errors_total", code="overloaded") == 1
        assert value(service, "lookalike_images_refused_total", **MODEL) == 1


def test_a_database_that_is_gone_hides_no_other_metric(
    start_service: Any, postgres: Any, picture: bytes, tmp_path: Path
) -> None:
    """While the ledger can't be reached its audits are not told, and all the rest is; afterwards they are, too."""
    with start_service(tmp_path, database_url=postgres.database(), worker="off") as service:
        assert value(service, "lookalike_audits", status="queued") == 0
        assert value(service, "lookalike_database_up") == 1
        postgres.stop()
        try:
            assert service.classify(picture).status_code == 200
            told = metrics(service)
            assert told["lookalike_database_up", frozenset()] == 0
            assert not any(name == "lookalike_audits" for name, _ in told)
            assert value(service, "lookalike_requests_total", **CLASSIFY, status=200) == 1
        finally:
            postgres.start()
        assert value(service, "lookalike_database_up") == 1


def test_a_database_that_hangs_keeps_nobody_waiting(
    start_service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape waits a bounded time for the ledger, and however many there are, one question is asked at a time."""
    with start_service(tmp_path) as service:
        scrape, free, asked = service.services.scrape, threading.Event(), []

        class Hanging:
            def count_by_status(self) -> dict[str, int]:
                asked.append(1)
                assert free.wait(60)
                return {"queued": 7}

        monkeypatch.setattr("service.telemetry.scrape.PATIENCE", 0.05)
        scrape._ledger = Hanging()
        try:
            assert [value(service, "lookalike_database_up") for _ in range(3)] == [0, 0, 0]
            assert len(asked) == 1
        finally:
            free.set()
        while not value(service, "lookalike_database_up"):
            time.sleep(0.01)
        assert value(service, "lookalike_audits", status="queued") == 7


def test_an_id_leads_from_the_answer_to_the_log(service: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An id that came along is in the answer and in its problem document; a request without one gets one."""
    caplog.set_level(logging.INFO, "lookalike.access")
    answer = service.http.get("/v1/models/nope", headers={"X-Request-Id": "trace-42"})
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"] == "trace-42"
    ids = {service.http.get("/healthz").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5
    forged = service.http.get("/healthz", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"]
    assert forged != "a b"


def access_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [each.__dict__ for each in caplog.records if each.name == "lookalike.access"]


def test_failures_are_logged_and_the_rest_is_not(
    service: Any, picture: bytes, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """By default a line says which request failed and why; what went well costs no line, and no query is told."""
    caplog.set_level(logging.INFO, "lookalike.access")
    service.classify(picture)
    service.http.get("/v1/models/nope?token=secret")
    eventually(lambda: access_lines(caplog), "a line is written")
    (fields,) = access_lines(caplog)
    assert (fields["method"], fields["route"], fields["path"]) == ("GET", "/v1/models/{name}", "/v1/models/nope")
    assert (fields["status"], fields["code"]) == (404, "model_not_found")
    assert fields["bytes"] > 0
    assert "secret" not in str(fields)


def test_a_line_says_whose_key_it_was(
    start_service: Any, picture: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With keys a line has the caller's name and never the key, and who has none is seen like all the others."""
    caplog.set_level(logging.INFO, "lookalike.access")
    secret, key = new_key("ann", ["audit"])
    add_key(tmp_path / "keys.json", key)
    with start_service(tmp_path / "data", keys_file=tmp_path / "keys.json") as service:
        service.http.get("/v1/audits/0", headers={"Authorization": f"Bearer {secret}"})
        service.classify(picture)
    known, unknown = access_lines(caplog)
    assert (known["caller"], known["status"], known["code"]) == ("ann", 404, "audit_not_found")
    assert ("caller" in unknown, unknown["status"], unknown["code"]) == (False, 401, "key_missing")
    assert secret not in str(access_lines(caplog))


@pytest.mark.parametrize(("which", "lines"), [("off", 0), ("all", 2)])
def test_the_access_log_is_the_operators_choice(
    start_service: Any, picture: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture, which: str, lines: int
) -> None:
    """``all`` logs every request, ``off`` none, not even those that fail."""
    caplog.set_level(logging.INFO, "lookalike.access")
    with start_service(tmp_path, access_log=which) as service:
        service.classify(picture)
        service.http.get("/nope")
    assert len(access_lines(caplog)) == lines


def test_a_defect_is_logged_once_and_told_without_its_inside(
    start_service: Any, picture: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that nobody expected is one line with its traceback; its client gets the id, the next an answer."""
    with start_service(tmp_path) as service:
        loaded = service.services.models.get()
        model = loaded.queue.model

        class Broken:
            def score(self, _: Any) -> Any:
                raise RuntimeError("a secret of the inside")

        loaded.queue.model = Broken()
        failed = service.classify(picture)
        loaded.queue.model = model
        assert (failed.status_code, failed.json()["code"]) == (500, "internal")
        assert failed.headers["X-Request-Id"] == failed.json()["request_id"]
        assert "secret" not in failed.text
        assert service.classify(picture).status_code == 200
        assert value(service, "lookalike_requests_total", **CLASSIFY, status=500) == 1
    (logged,) = [each for each in caplog.records if each.exc_info]
    assert logged.exc_info is not None
    assert "a secret of the inside" in str(logged.exc_info[1])


@pytest.mark.parametrize("path", ["/v1/audits", "/v1/audits/0123456789abcdef/report"])
def test_a_defect_behind_an_ordinary_route_is_the_documented_problem(
    start_service: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Whatever fails behind the framework's own routes is a problem document too, with its id, and logged once."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("a secret of the inside")

    with start_service(tmp_path) as service:
        monkeypatch.setattr(Audits, "newest", broken)
        monkeypatch.setattr(Audits, "finished", broken)
        failed = service.http.get(path)
    assert (failed.status_code, failed.headers["Content-Type"]) == (500, "application/problem+json")
    assert failed.json()["code"] == "internal"
    assert failed.headers["X-Request-Id"] == failed.json()["request_id"]
    assert "secret" not in failed.text
    assert len([each for each in caplog.records if each.exc_info]) == 1


def test_what_is_logged_within_a_request_bears_its_id() -> None:
    """The id follows a request into threads that work for it."""
    from fastapi.concurrency import run_in_threadpool

    from service.telemetry.request_id import REQUEST_ID

    async def main() -> str | None:
        REQUEST_ID.set("abc")
        return await run_in_threadpool(REQUEST_ID.get)

    assert asyncio.run(main()) == "abc"
