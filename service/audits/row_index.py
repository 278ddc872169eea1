"""The row answers as columns of numbers, by which pages are found: a million rows are filtered in milliseconds.

They lie in a folder beside ``rows.parquet``, are made when a page is first asked for, and are mapped, not read: what
several requests look at is in memory once, and the system may drop it.
"""

import io
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.audits.folder import AuditFolder
from service.audits.one_at_a_time import one_at_a_time
from service.audits.row_answers import RowKind
from service.audits.steps.files import put_folder, scan_table
from service.audits.steps.finish import ROWS, answered_revision
from service.audits.steps.given import GivenLabels
from service.audits.steps.infer import STATUS
from service.audits.steps.plan import Plan

KINDS: tuple[RowKind, ...] = get_args(RowKind)
NONE = 255
"""The code of a kind that there is not, since the row was not scored."""

_ANSWERS = ("status", "p_wrong", "log_odds", "p_confusable", "flagged", "suggested_label", "kind")


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class RowIndex:
    """N rows in the input's order; numbers are NaN, and classes -1, where a row was not scored."""

    given: NDArray[np.int32]
    """``[N]``, index of the file's label in the plan's ``spelling``; -1: it is no class."""
    suggested: NDArray[np.int32]
    """``[N]``, index of the suggestion: where a reviewer corrected the label before the rows were scored again, of that
    correction."""
    status: NDArray[np.uint8]
    """``[N]``, an index into ``STATUS``."""
    kind: NDArray[np.uint8]
    """``[N]``, an index into ``KINDS``, or ``NONE``."""
    flagged: NDArray[np.bool_]
    trusted: NDArray[np.bool_]
    """``[N]``: the label file calls the label verified, or a reviewer decided it before the rows were scored again."""
    pictured: NDArray[np.bool_]
    """``[N]``: the row names an image."""
    names: NDArray[np.uint8]
    """The names of all images in UTF-8, one after the other."""
    name_ends: NDArray[np.int64]
    """``[N]``: where in ``names`` each row's name ends, and that of the next begins."""
    p_wrong: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    p_confusable: NDArray[np.float64]
    order: NDArray[np.int32]
    """``[N]``: row numbers, the most suspicious first, those that were not scored last."""
    rank: NDArray[np.int32]
    """``[N]``: where each row stands in ``order``."""

    @classmethod
    def of(cls, folder: AuditFolder) -> Self:
        """Map the index of a finished audit; makes it where ``rows.parquet`` is newer, which takes a while."""
        path = folder.path / f"index-{(folder.path / ROWS).stat().st_mtime_ns}-named"
        if not path.exists():
            with one_at_a_time(folder.path):  # the pages ask several things at once
                if not path.exists():
                    for old in folder.path.glob("index-*"):
                        shutil.rmtree(old, ignore_errors=True)
                    columns = _columns(folder)
                    put_folder(path, lambda part: _write(part, columns))
        return cls(**{each.name: np.load(path / f"{each.name}.npy", mmap_mode="r") for each in fields(cls)})

    def name(self, row: int) -> str | None:
        """The name of a row's image, as it is called where it comes from."""
        begin = int(self.name_ends[row - 1]) if row else 0
        return self.names[begin : self.name_ends[row]].tobytes().decode() or None

    def among_the_first(self, count: int) -> NDArray[np.bool_]:
        """``[N]``: which rows are among so many of the most suspicious that nobody verified."""
        first = np.zeros(len(self), dtype=bool)
        first[self.order[~self.trusted[self.order]][:count]] = True
        return first

    def __len__(self) -> int:
        """Rows."""
        return len(self.given)


def _columns(folder: AuditFolder) -> dict[str, NDArray[Any]]:
    plan = Plan.load(folder.path)
    rows = scan_table(folder.path / ROWS).select(_ANSWERS).collect()
    labels = plan.labels(folder.path)
    names = labels["image"].fill_null("")
    judged = GivenLabels.load(folder.path, plan, answered_revision(folder.path))
    suggested = _coded(rows["suggested_label"], plan.spelling, -1).cast(pl.Int32).to_numpy()
    given = labels["given"].to_numpy()
    log_odds = rows["log_odds"].fill_null(float("nan")).to_numpy()
    order = np.argsort(-log_odds, kind="stable").astype(np.int32)  # NaN comes last
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return {
        "given": given,
        "suggested": np.where(judged.given == given, suggested, judged.given).astype(np.int32),
        "status": _coded(rows["status"], STATUS, NONE).cast(pl.UInt8).to_numpy(),
        "kind": _coded(rows["kind"], KINDS, NONE).cast(pl.UInt8).to_numpy(),
        "flagged": rows["flagged"].fill_null(value=False).to_numpy(),
        "trusted": judged.trusted,
        "pictured": labels["image"].is_not_null().to_numpy(),
        "names": np.frombuffer(names.str.join("").item().encode(), dtype=np.uint8),
        "name_ends": names.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy(),
        "p_wrong": rows["p_wrong"].fill_null(float("nan")).to_numpy(),
        "log_odds": log_odds,
        "p_confusable": rows["p_confusable"].fill_null(float("nan")).to_numpy(),
        "order": order,
        "rank": rank,
    }


def _coded(texts: pl.Series, known: tuple[str, ...], otherwise: int) -> pl.Series:
    codes = {text: code for code, text in enumerate(known)}
    return texts.replace_strict(codes, default=otherwise, return_dtype=pl.Int64).fill_null(otherwise)


def _write(part: Path, columns: dict[str, NDArray[Any]]) -> None:
    for name, values in columns.items():
        buffer = io.BytesIO()  # numpy writes to a file by itself, and doesn't tell that the disk is full
        np.save(buffer, values, allow_pickle=False)
        (part / f"{name}.npy").write_bytes(buffer.getbuffer())
