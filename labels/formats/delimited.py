"""CSV and TSV: every cell is text, nothing is guessed but a separator that the header leaves no doubt of."""

import csv
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import polars as pl

from labels.errors import LabelFileError
from labels.formats.reading import Reading
from labels.formats.table_limits import MAX_TEXT_CELLS, check_cells, check_columns
from labels.formats.text_lines import text_lines

_CELLS_PER_BLOCK = 1_000_000
_SEPARATORS = (";", "\t", "|")
"""What a file called .csv may be separated by instead."""
UNCLOSED = "a quote in it is never closed"
_END = "unexpected end of data"
"""How Python's reader says that."""


def read_csv(path: Path) -> Reading:
    """Read a table of text, separated by commas, or by what the header says.

    A header without commas that another separator, and only one, parts into several names leaves no doubt.
    """
    lines = text_lines(path)
    header = next(lines, "")
    parted = [separator for separator in _SEPARATORS if len(set(_names(header, separator))) > 1]
    if len(parted) == 1 and len(_names(header, ",")) == 1:
        warning = f"The cells are taken to be separated by {parted[0]!r}, as the header is."
        return Reading(_read(chain([header], lines), parted[0]), "csv", warnings=(warning,))
    return Reading(_read(chain([header], lines), ","), "csv")


def read_tsv(path: Path) -> Reading:
    """Read a table of text, separated by tabs."""
    return Reading(_read(text_lines(path), "\t"), "tsv")


def _names(header: str, separator: str) -> list[str]:
    try:
        names = next(csv.reader([header], delimiter=separator, strict=True), [])
    except csv.Error:  # a name goes on in the next line: too odd for a guess
        return []
    return names if all(name.strip() for name in names) else []


def _read(lines: Iterable[str], separator: str) -> pl.DataFrame:
    """Read a table of strings; an empty cell is the empty string. Blank lines are skipped.

    Python's reader rather than polars': it counts the rows, so that an error can name its place, and it refuses
    a row that is too short instead of filling it up. Raises ``LabelFileError``.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    header: list[str] | None = None
    blocks: list[pl.DataFrame] = []
    pending: list[list[str]] = []
    rows = 0
    line, following = 1, 1
    try:
        for cells in reader:
            line, following = following, reader.line_num + 1  # a quoted cell may go on over lines
            if not cells:
                continue
            if header is None:
                header = _checked_header(cells)
                continue
            rows += 1
            if len(cells) != len(header):
                raise LabelFileError(
                    f"row {rows} (line {line}) has {len(cells)} cell{'s' * (len(cells) != 1)}, "
                    f"the header has {len(header)}: "
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
            f"row {rows + 1} (line {following}) is not well-formed: {UNCLOSED if str(error) == _END else error}; "
            "check its quotes and line ends",
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
