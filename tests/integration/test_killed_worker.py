"""The worker process, killed at random moments: nothing is lost, nothing is doubled, and the answers are the same."""

import io
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from service.jobs.runner import LocalRunner

KILLS = 20
FILES = ("rows.parquet", "report.json")


def answers(service: Any, location: str) -> list[bytes]:
    folder = service.data_dir / "audits" / location.rpartition("/")[2]
    return [(folder / name).read_bytes() for name in FILES]


def compare(start_service: Any, eventually: Any, folder: Path, files: dict[str, tuple[str, bytes]], kills: int) -> None:
    """Audit the files undisturbed, then again and again with a worker that is killed, and compare byte for byte."""
    chance = random.Random(11)

    def submit(service: Any) -> str:
        location: str = service.http.post("/v1/audits", files=files).headers["Location"]
        return location

    with start_service(folder / "calm", chunk_rows=25) as calm:
        started = time.monotonic()
        location = submit(calm)
        assert calm.ended(location)["status"] == "succeeded"
        expected = answers(calm, location)
        length = time.monotonic() - started
    with start_service(folder / "stormy", chunk_rows=25) as service:
        runner = service.services.audits._runner
        assert isinstance(runner, LocalRunner)
        killed = 0
        while killed < kills:
            location = submit(service)
            for _ in range(4):  # fewer than a chunk may be begun in vain
                pid = eventually(lambda: runner.pid, "a worker lives")
                moment = time.monotonic() + chance.uniform(0, length)
                eventually(lambda moment=moment: time.monotonic() > moment, "the moment comes")
                os.kill(pid, signal.SIGKILL)
                eventually(lambda pid=pid: runner.pid != pid, "the kill is noticed")
                killed += 1
            assert service.ended(location)["status"] == "succeeded"
            assert answers(service, location) == expected


def test_a_worker_killed_at_random_moments_changes_nothing(
    start_service: Any, eventually: Any, kit: Any, tmp_path: Path
) -> None:
    """However often the worker is killed (-9), each audit's files equal those of an undisturbed run, byte for byte."""
    files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
    compare(start_service, eventually, tmp_path, files, KILLS)


def test_a_worker_killed_over_probability_columns_changes_nothing(
    start_service: Any, eventually: Any, tmp_path: Path
) -> None:
    """The same of a file of probabilities, which goes in larger chunks and is unpacked by a process of its own."""
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=12_000)
    given = np.where(rng.random(12_000) < 0.1, (truth + 1) % 3, truth)
    p = rng.dirichlet(np.ones(3), size=12_000) * 0.3 + 0.7 * np.eye(3)[truth]
    others = {f"note {i}": np.zeros(12_000, dtype=np.int8) for i in range(496)}  # eight chunks
    buffer = io.BytesIO()
    table = {"label": given.astype(str)} | {f"prob_{k}": p[:, k] for k in range(3)} | others
    pl.DataFrame(table).write_parquet(buffer)
    compare(start_service, eventually, tmp_path, {"labels": ("labels.parquet", buffer.getvalue())}, 8)
