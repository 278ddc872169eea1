"""Objects of JSON, one after the other, as a table."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from labels.errors import LabelFileError
from labels.formats.json_values import MAX_NESTING, is_too_deep, json_text
from labels.formats.table_limits import MAX_TEXT_CELLS, check_cells, check_columns


class ObjectTable:
    """Takes objects in and gives a table whose columns are the union of their keys, as they first appear.

    A key that an object lacks is null. A column of one kind keeps it (text, true/false, whole numbers, numbers, and
    lists or objects of one shape); in a column of mixed kinds text stays as it is and the rest becomes JSON text.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in the next row; raises ``LabelFileError`` if it is nested too deeply, or makes the table too large."""
        nested = [value for value in row.values() if isinstance(value, (list, dict))]
        if any(map(is_too_deep, nested)):
            number = self.rows + 1
            raise LabelFileError(f"row {number} is nested more than {MAX_NESTING} levels deep: flatten it", row=number)
        columns = len(self._columns) + sum(name not in self._columns for name in row)
        check_columns(columns)
        check_cells(self.rows + 1, columns, MAX_TEXT_CELLS)  # each time: a late row may fill up all columns
        for name, value in row.items():
            column = self._columns.setdefault(name, [])
            column.extend([None] * (self.rows - len(column)))
            column.append(value)
        self.rows += 1

    def table(self) -> pl.DataFrame:
        """Everything that was taken in."""
        for column in self._columns.values():
            column.extend([None] * (self.rows - len(column)))
        return pl.DataFrame({name: _series(name, values) for name, values in self._columns.items()})


def _series(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str}:
        return pl.Series(name, values, dtype=pl.String)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and all(abs(value) <= 2**53 for value in values if isinstance(value, int)):
        return pl.Series(name, values, dtype=pl.Float64)
    if kinds <= {list, dict}:
        series = _native(name, values)
        if series is not None:
            return series
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _native(name: str, values: list[Any]) -> pl.Series | None:
    """Nested values as a polars column, if that gives back exactly what went in."""
    try:
        series = pl.Series(name, values)
        same = json.dumps(series.to_list()) == json.dumps(values)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        return None
    return series if same else None


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)
