"""CSV and TSV: every cell is text, nothing is guessed."""

import csv
from pathlib import Path

import polars as pl

from labels.errors import LabelFileError
from labels.formats.table_limits import MAX_TEXT_CELLS, check_cells, check_columns
from labels.formats.text_lines import utf8_lines

_CELLS_PER_BLOCK = 1_000_000


def read_delimited(path: Path, delimiter: str) -> pl.DataFrame:
    """Read a table of strings; an empty cell is the empty string. Blank lines are skipped.

    Python's reader rather than polars': it counts the rows, so that an error can name its place, and it refuses
    a row that is too short instead of filling it up. Raises ``LabelFileError``.
    """
    reader = csv.reader(utf8_lines(path), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    blocks: list[pl.DataFrame] = []
    pending: list[list[str]] = []
    rows = 0
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = _checked_header(cells)
                continue
            rows += 1
            if len(cells) != len(header):
                raise LabelFileError(
                    f"row {rows} (line {reader.line_num}) has {len(cells)} cells, the header has {len(header)}: "
                    "put quotes around a cell that contains the separator, and fill up short rows",
                    row=rows,
                )
            pending.append(cells)
            if len(pending) * len(header) >= _CELLS_PER_BLOCK:
                check_cells(rows, len(header), MAX_TEXT_CELLS)
                blocks.append(_block(pending, header))
                pending = []
    except csv.Error as error:
        raise LabelFileError(
            f"row {rows + 1} (line {reader.line_num}) is not well-formed: {error}; check its quotes and line ends",
            row=rows + 1,
        ) from error
    if header is None:
        raise LabelFileError("the file is empty: it needs a header line with the columns' names, and rows")
    blocks.append(_block(pending, header))
    return pl.concat(blocks, rechunk=True)


def _checked_header(names: list[str]) -> list[str]:
    check_columns(len(names))
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise LabelFileError(f"the header names the column {name!r} twice: rename one of the two")
        seen.add(name)
    return names


def _block(rows: list[list[str]], header: list[str]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    # A mapping: from a list of series polars renames a column without a name.
    return pl.DataFrame(
        {name: pl.Series(name, column, dtype=pl.String) for name, column in zip(header, columns, strict=True)}
    )
