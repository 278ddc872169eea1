"""Probability columns of a label file: ``prob_<class>``, one for each class."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labels.errors import LabelFileError

PREFIX = "prob_"


def probability_classes(columns: list[str]) -> tuple[str, ...]:
    """Classes that have a probability column, in the columns' order; empty where there is none."""
    return tuple(column.removeprefix(PREFIX) for column in columns if column.startswith(PREFIX) and column != PREFIX)


def read_probabilities(table: pl.DataFrame, classes: tuple[str, ...], first_row: int = 1) -> NDArray[np.float64]:
    """Read ``[n, K]``; raises ``LabelFileError`` naming row (the table's first is ``first_row``) and column."""
    columns = []
    for name in classes:
        column = table[f"{PREFIX}{name}"]
        numbers = column.cast(pl.Float64, strict=False)
        wrong = (numbers.is_null() | ~numbers.is_finite() | (numbers < 0)).arg_true()
        if len(wrong):
            row = first_row + int(wrong[0])
            raise LabelFileError(
                f"row {row}: {PREFIX}{name} is {str(column[int(wrong[0])])[:40]!r}: write a probability", row=row
            )
        columns.append(numbers.to_numpy())
    values = np.stack(columns, axis=1)
    sums = values.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > 0.01)
    if len(off):
        row = first_row + int(off[0])
        raise LabelFileError(f"row {row}: the probabilities sum to {sums[off[0]]:.4g}, not to 1", row=row)
    normalised: NDArray[np.float64] = values / sums[:, None]
    return normalised
