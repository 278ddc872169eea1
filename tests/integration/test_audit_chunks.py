"""An audit by probability columns, chunk by chunk."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from service.audits.run import run_audit
from service.audits.steps.options import AuditOptions
from service.audits.steps.plan import Source
from service.audits.steps.work import STEPS, AuditWork

FILES = ("rows.parquet", "report.json")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """250,000 rows of ten probability columns; every tenth label is that of the next class."""
    K, rows = 10, np.arange(250_000)
    truth = rows % K
    given = np.where(rows // K % 10 == 0, (truth + 1) % K, truth)
    p = np.where(np.arange(K) == truth[:, None], 0.91, 0.01)
    columns = {f"prob_{k}": p[:, k] for k in range(K)}
    path = tmp_path / "labels.parquet"
    pl.DataFrame({"label": given.astype(str), **columns}).write_parquet(path)
    return Source(path, None, AuditOptions())


def test_rows_without_images_come_in_large_chunks_each_done_by_itself(source: Source, tmp_path: Path) -> None:
    """Ten columns make chunks of 100,000 rows; a restart before every one of them changes no byte of the answers."""
    run_audit(source.labels, None, source.options, lambda: None, tmp_path / "at once")
    folder = tmp_path / "restarted"
    folder.mkdir()
    for step in STEPS:
        with AuditWork(folder, source, lambda: None) as work:
            chunks = work.chunks(step)
        if step in {"infer", "score"}:
            assert chunks == [100_000, 100_000, 50_000]
        for chunk in reversed(range(len(chunks))):
            with AuditWork(folder, source, lambda: None) as restarted:
                restarted.run_chunk(step, chunk)
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
