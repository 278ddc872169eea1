"""The worker beside the server: whatever becomes of it, another is started."""

import os
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.jobs.database import migrate, open_database
from service.jobs.ledger import Ledger
from service.jobs.runner import LocalRunner, NoRunner, count_failures
from service.settings import Settings


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[LocalRunner]:
    """That of a server without an audit."""
    engine = open_database(None, tmp_path)
    migrate(engine)
    with closing(LocalRunner(Settings(data_dir=tmp_path), Ledger(engine))) as runner:
        yield runner
    engine.dispose()


def test_a_worker_that_can_not_be_started_is_started_later(
    runner: LocalRunner, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a file descriptor there is no worker, and no error for who submits; once there is one, a worker runs."""
    assert runner.state == "idle"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        runner.submit("")
        eventually(lambda: runner.state == "failing", "the failure is told")
        eventually(lambda: len(caplog.records) > 1, "it is tried again")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "the audit worker can't be started: [Errno 24] Too many open files" in caplog.text
    eventually(lambda: runner.state == "running", "a worker runs")


def test_a_worker_elsewhere_is_not_watched() -> None:
    """Where workers are another machine's, the server claims nothing of them."""
    assert NoRunner().state == "elsewhere"


def test_only_failures_in_a_row_make_it_wait_longer() -> None:
    """A kill, or some time of work, is followed by a start at once; failure upon failure by ever longer pauses."""
    assert [count_failures(before, 1, lived=0.5) for before in range(4)] == [1, 2, 3, 4]
    assert count_failures(9, -9, lived=0.5) == 0
    assert count_failures(9, 1, lived=3600.0) == 1
