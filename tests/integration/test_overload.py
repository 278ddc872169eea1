"""More work than fits: what is refused hears of it, what waits too long is dropped, and the rest is answered."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def held(service: Any) -> Iterator[Callable[[], None]]:
    """Keep the model of a service from ending any batch until the function is called, or the block is left."""
    loaded, free = service.services.models.get(), threading.Event()
    model = loaded.queue.model

    class Held:
        def score(self, images: Any) -> Any:
            assert free.wait(60)
            return model.score(images)

    loaded.queue.model = Held()
    try:
        yield free.set
    finally:
        free.set()


@pytest.fixture
def picture(kit: Any) -> bytes:
    return kit.image(0).read_bytes()


def test_what_does_not_fit_is_refused_and_the_rest_answered(
    start_service: Any, picture: bytes, tmp_path: Any, eventually: Any
) -> None:
    """With the queue full the next request is a 503 that says when to come back; those in the queue are answered."""
    with start_service(tmp_path, max_queue=3, max_images=3, hold_seconds=0) as service, ThreadPoolExecutor() as pool:
        with held(service) as go_on:
            waiting = [pool.submit(service.classify, picture) for _ in range(3)]
            admission = service.services.models.get().admission
            eventually(lambda: admission.admitted == 3, "the queue is full")
            refused = service.classify(picture)
            go_on()
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["Retry-After"] == "1"
        assert [each.result().status_code for each in waiting] == [200] * 3
        assert service.classify(picture).status_code == 200


def test_nobody_waits_longer_than_the_deadline(start_service: Any, picture: bytes, tmp_path: Any) -> None:
    """A request that could not be answered in time is a 503 with a code of its own, and costs nothing any more."""
    with start_service(tmp_path, deadline_seconds=0.5) as service:
        with held(service):
            late = service.classify(picture)
        assert (late.status_code, late.json()["code"]) == (503, "deadline")
        assert "0.5 s" in late.json()["detail"]
        assert service.services.models.get().admission.admitted == 0
        assert service.classify(picture).status_code == 200


def test_too_many_connections_meet_a_wall(start_service: Any, picture: bytes, tmp_path: Any, eventually: Any) -> None:
    """Past the bound on connections requests are refused unread, and counted; probes are answered."""
    with (
        start_service(tmp_path, max_connections=3, max_queue=100) as service,
        held(service),
        ThreadPoolExecutor() as pool,
    ):
        answers = [pool.submit(service.classify, picture) for _ in range(8)]
        eventually(lambda: any(each.done() for each in answers), "some are refused")
        refused = [each.result() for each in answers if each.done()]
        assert {(each.status_code, each.json()["code"]) for each in refused} == {(503, "connections")}
        assert {each.headers["Connection"] for each in refused} == {"close"}
        assert service.http.get("/healthz").status_code == 200
        counted = re.search(
            r'^lookalike_errors_total{code="connections"} (.+)$', service.http.get("/metrics").text, re.MULTILINE
        )
        assert counted
        assert float(counted[1]) >= len(refused)
