"""JSONL: one object per line."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from labels.errors import LabelFileError
from labels.formats.table_limits import MAX_TEXT_CELLS, check_cells, check_columns
from labels.formats.text_lines import utf8_lines

MAX_NESTING = 32


def read_json_lines(path: Path) -> pl.DataFrame:
    """Read a table whose columns are the union of the objects' keys, in the order in which they first appear.

    A key that a line lacks is null. A column of one kind keeps it (text, true/false, whole numbers, numbers, and lists
    or objects of one shape); in a column of mixed kinds text stays as it is and the rest becomes JSON text.
    Raises ``LabelFileError`` naming the line.
    """
    columns: dict[str, list[Any]] = {}
    rows = 0
    for number, line in enumerate(utf8_lines(path), 1):
        if not line.strip():
            continue
        row = _parse(line, number, rows + 1)
        if new := sum(name not in columns for name in row):
            check_columns(len(columns) + new)
            check_cells(rows + 1, len(columns) + new, MAX_TEXT_CELLS)
        for name, value in row.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = []
            column.extend([None] * (rows - len(column)))
            column.append(value)
        rows += 1
    check_cells(rows, len(columns), MAX_TEXT_CELLS)
    for column in columns.values():
        column.extend([None] * (rows - len(column)))
    return pl.DataFrame({name: _series(name, values) for name, values in columns.items()})


def _parse(line: str, number: int, row: int) -> dict[str, Any]:
    try:
        content = json.loads(line, object_pairs_hook=_object, parse_constant=_refuse_constant)
        if "\\u" in line:
            json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is not text
    except RecursionError as error:
        raise LabelFileError(f"line {number} is nested too deeply: flatten it", row=row) from error
    except ValueError as error:
        raise LabelFileError(
            f"line {number} is not one JSON object: {error}; each line must be one, such as "
            '{"image": "a.png", "label": "Shirt"}',
            row=row,
        ) from error
    if not isinstance(content, dict):
        raise LabelFileError(
            f'line {number} is no JSON object: each line must be one, such as {{"image": "a.png", "label": "Shirt"}}',
            row=row,
        )
    nested = [value for value in content.values() if isinstance(value, (list, dict))]
    if any(_deeper_than(MAX_NESTING, value) for value in nested):
        raise LabelFileError(f"line {number} is nested more than {MAX_NESTING} levels deep: flatten it", row=row)
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated!r} comes twice")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _deeper_than(levels: int, value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper_than(levels - 1, item) for item in value)


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
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
