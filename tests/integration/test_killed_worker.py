"""The worker process, killed at random moments: nothing is lost, nothing is doubled, and the answers are the same."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from service.jobs.runner import LocalRunner

KILLS = 20
FILES = ("rows.parquet", "report.json")


def answers(service: Any, location: str) -> list[bytes]:
    folder = service.data_dir / "audits" / location.rpartition("/")[2]
    return [(folder / name).read_bytes() for name in FILES]


def test_a_worker_killed_at_random_moments_changes_nothing(
    start_service: Any, eventually: Any, kit: Any, tmp_path: Path
) -> None:
    """However often the worker is killed (-9), each audit's files equal those of an undisturbed run, byte for byte."""
    chance = random.Random(11)
    labels = kit.labels.read_bytes()
    with start_service(tmp_path / "calm", chunk_rows=25) as calm:
        started = time.monotonic()
        expected = answers(calm, calm.audit(labels, kit.archive))
        length = time.monotonic() - started
    with start_service(tmp_path / "stormy", chunk_rows=25) as service:
        runner = service.services.audits._runner
        assert isinstance(runner, LocalRunner)
        killed = 0
        while killed < KILLS:
            location = service.submit(labels, kit.archive).headers["Location"]
            for _ in range(4):  # fewer than a chunk may be begun in vain
                pid = eventually(lambda: runner.pid, "a worker lives")
                moment = time.monotonic() + chance.uniform(0, length)
                eventually(lambda moment=moment: time.monotonic() > moment, "the moment comes")
                os.kill(pid, signal.SIGKILL)
                eventually(lambda pid=pid: runner.pid != pid, "the kill is noticed")
                killed += 1
            assert service.ended(location)["status"] == "succeeded"
            assert answers(service, location) == expected
