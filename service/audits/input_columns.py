"""The input's columns beside the answers in ``rows.parquet``."""

from collections.abc import Sequence

from labels.taken_names import SUFFIX

FIRST_ANSWER = "status"
"""The column of ``rows.parquet`` with which the answers begin; those before it are the input's, in its order."""


def find(column: str, row_columns: Sequence[str]) -> str:
    """Where a column of the input stands in ``rows.parquet``."""
    inputs = row_columns[: row_columns.index(FIRST_ANSWER)]
    if column in inputs:
        return column
    while column not in inputs or f"{column}{SUFFIX}" in inputs:
        column += SUFFIX
    return column
