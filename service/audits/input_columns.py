"""The input's columns beside the answers: one that bears an answer's name goes on as ``<name>_input``."""

from collections.abc import Collection, Sequence

_SUFFIX = "_input"
FIRST_ANSWER = "status"
"""The column of ``rows.parquet`` with which the answers begin; those before it are the input's, in its order."""


def renames(names: Collection[str], columns: Sequence[str]) -> dict[str, str]:
    """New names for those of the input's columns that bear one of ``names``; none is in use already."""
    taken = {*columns, *names}
    renamed = {}
    for column in columns:
        if column in names:
            renamed[column] = f"{column}{_SUFFIX}"
            while renamed[column] in taken:
                renamed[column] += _SUFFIX
            taken.add(renamed[column])
    return renamed


def find(column: str, row_columns: Sequence[str]) -> str:
    """Where a column of the input stands in ``rows.parquet``."""
    inputs = row_columns[: row_columns.index(FIRST_ANSWER)]
    if column in inputs:
        return column
    while column not in inputs or f"{column}{_SUFFIX}" in inputs:
        column += _SUFFIX
    return column
