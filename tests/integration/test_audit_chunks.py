"""An audit by probability columns, chunk by chunk."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audit.sample import LIMIT, chosen
from service.audits.run import run_audit
from service.audits.steps.options import AuditError, AuditOptions
from service.audits.steps.plan import MOST_CLASSES, Source, plan
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
    """Eleven columns make chunks of 90,909 rows; a restart before every one of them changes no byte of the answers."""
    run_audit(source.labels, None, source.options, lambda: None, tmp_path / "at once")
    folder = tmp_path / "restarted"
    folder.mkdir()
    for step in STEPS:
        with AuditWork(folder, source, lambda: None) as work:
            chunks = work.chunks(step)
        if step in {"infer", "score"}:
            assert chunks == [90_909, 90_909, 68_182]
        for chunk in reversed(range(len(chunks))):
            with AuditWork(folder, source, lambda: None) as restarted:
                restarted.run_chunk(step, chunk)
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()


def test_other_columns_make_chunks_smaller(tmp_path: Path) -> None:
    """A table with many columns beside the probabilities is cut by all its cells, or a chunk would fill the memory."""
    table = {"label": ["a"] * 9000, "prob_a": [0.5] * 9000, "prob_b": [0.5] * 9000}
    others = {f"note {i}": [0] * 9000 for i in range(197)}
    pl.DataFrame(table | others).write_parquet(tmp_path / "labels.parquet")
    settled = plan(Source(tmp_path / "labels.parquet", None, AuditOptions()), tmp_path, None, 2000)
    assert settled.chunks == [5000, 4000]


def test_more_classes_than_an_audit_weighs_are_refused(tmp_path: Path) -> None:
    """A file of thousands of probability columns, of which each chunk would keep gigabytes, is refused by the count."""
    columns = {f"prob_{k}": [0.0] for k in range(MOST_CLASSES + 1)}
    pl.DataFrame({"label": ["0"]} | columns).write_csv(tmp_path / "labels.csv")
    with pytest.raises(AuditError, match="there are 2001 columns prob_<class>, and an audit weighs at most 2000"):
        plan(Source(tmp_path / "labels.csv", None, AuditOptions()), tmp_path, None, 2000)


def test_few_rows_that_can_be_judged_among_many_are_all_looked_at(tmp_path: Path) -> None:
    """The sample of a fit is one of the rows that can be judged: nearly all labels unknown leaves an answer."""
    total = 2 * LIMIT + 1
    left_out = np.flatnonzero(~chosen(np.arange(total), total))[:8]
    labels = np.full(total, "unknown", dtype=object)
    labels[left_out] = ["a", "b"] * 4
    table = {"label": labels.tolist(), "prob_a": np.full(total, 0.5), "prob_b": np.full(total, 0.5)}
    path = tmp_path / "labels.parquet"
    pl.DataFrame(table).write_parquet(path)
    for evidence in ("reference", "cross_validated"):
        options = AuditOptions(evidence=evidence)
        assert run_audit(path, None, options, lambda: None, tmp_path / evidence)["scored"] == len(left_out)
