"""The labels as the rows are judged by: those of the file, with the reviewers' decisions of a revision on top."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.audits.steps.files import get_arrays, put_arrays
from service.audits.steps.plan import Plan


@dataclass(frozen=True)
class GivenLabels:
    """N labels, of a chunk or of all rows."""

    given: NDArray[np.intp]
    """``[N]``, class index; -1: no class."""
    original: NDArray[np.intp]
    """``[N]``: what a trusted label said before; -1: not known."""
    trusted: NDArray[np.bool_]
    """``[N]``: the label was verified."""

    @classmethod
    def load(cls, folder: Path, plan: Plan, revision: int, chunk: int | None = None) -> Self:
        """Read a chunk, or all rows. In revision 0 nothing has been decided; in each later one some rows have."""
        table = plan.labels(folder, chunk)
        given, original = (table[name].to_numpy().astype(np.intp) for name in ("given", "original"))
        trusted = table["trusted"].to_numpy().copy()
        if revision:
            decided = get_arrays(_file(folder, revision))
            rows, labels = decided["rows"], decided["labels"]
            if chunk is not None:
                inside = (rows >= chunk * plan.chunk_rows) & (rows < chunk * plan.chunk_rows + len(given))
                rows, labels = rows[inside] - chunk * plan.chunk_rows, labels[inside]
            before = np.where(trusted[rows], original[rows], given[rows])
            original[rows], given[rows], trusted[rows] = before, labels, True
        return cls(given, original, trusted)


def save_decisions(folder: Path, revision: int, rows: NDArray[np.intp], labels: NDArray[np.intp]) -> None:
    """Leave what reviewers decided for a revision to find: row numbers and their labels, class indices."""
    put_arrays(_file(folder, revision), {"rows": rows, "labels": labels})


def decided_labels(folder: Path, revision: int) -> dict[int, int]:
    """Return the rows whose decisions a revision takes in, each with its class index; none in revision 0."""
    if not revision:
        return {}
    decided = get_arrays(_file(folder, revision))
    return dict(zip(decided["rows"].tolist(), decided["labels"].tolist(), strict=True))


def _file(folder: Path, revision: int) -> Path:
    return folder / f"decisions-{revision}.npz"
