"""Label files: which label each image was given, in any of the formats that people have them in."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labels.columns import IMAGE, LABEL, choose_columns, guess_columns
from labels.errors import LabelFileError
from labels.formats.delimited import read_csv, read_tsv
from labels.formats.json_file import read_json
from labels.formats.json_lines import read_json_lines
from labels.formats.parquet import read_parquet
from labels.formats.reading import LabelFormat, Reading

READERS: Mapping[str, Callable[[Path], Reading]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_json_lines,
    ".json": read_json,
    ".parquet": read_parquet,
}
"""How a label file is read, by the ending of its name."""
_SPREADSHEETS = {".xlsx", ".xls", ".xlsm", ".ods", ".numbers"}
_TRUSTED = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


@dataclass(frozen=True, eq=False)  # arrays and tables have no one truth value
class LabelFile:
    """The rows of a label file, N of them, in the file's order and with all its columns."""

    table: pl.DataFrame
    label_column: str
    image_column: str | None  # None where the file has none
    format: LabelFormat
    warnings: tuple[str, ...] = ()  # what a person should know, in whole sentences
    folders: Sequence[str] | None = None  # [N], below which the images' names lie; None: below none

    @cached_property
    def given(self) -> list[str | None]:
        """The labels by ``label_text``; null is None."""
        column = self.table[self.label_column]
        if not holds_text(column):
            raise LabelFileError(f"the label column {self.label_column!r} holds {column.dtype}: it must hold text")
        return [label and sys.intern(label) for label in label_text(column)]  # many rows, few labels: each kept once

    @cached_property
    def original(self) -> list[str | None]:
        """The column ``original_label`` as text: what a trusted label said before; None where there is none."""
        if "original_label" not in self.table.columns or not holds_text(self.table["original_label"]):
            return [None] * self.table.height
        return label_text(self.table["original_label"]).to_list()

    @cached_property
    def images(self) -> list[str | None]:
        """The names of the images as they stand; None where a row names none."""
        if self.image_column is None:
            return [None] * self.table.height
        column = self.table[self.image_column]
        if not holds_text(column):
            raise LabelFileError(f"the image column {self.image_column!r} holds {column.dtype}: it must hold names")
        names = [name or None for name in column.cast(pl.String).to_list()]
        if self.folders is None:
            return names
        return [name and folder + name for folder, name in zip(self.folders, names, strict=True)]

    @cached_property
    def trusted(self) -> NDArray[np.bool_]:
        """Which labels were verified, ``[N]``; false where the column ``trusted`` is missing or a cell is empty."""
        if "trusted" not in self.table.columns:
            return np.zeros(self.table.height, dtype=bool)
        values = self.table["trusted"].to_list()
        return np.array([_trust(value, row) for row, value in enumerate(values, 1)], dtype=bool)


def holds_text(column: pl.Series) -> bool:
    """Whether a column holds what can be written as one text: no lists, no bytes."""
    return not (column.dtype.is_nested() or column.dtype in {pl.Binary, pl.Object})


def label_text(column: pl.Series) -> pl.Series:
    """A column of labels as text: null stays null, whole numbers held as floats lose their ``.0``."""
    if column.dtype.is_float() and ((column.abs() <= 2**53) & (column == column.floor())).all():
        column = column.cast(pl.Int64)  # what pandas makes of whole numbers beside a missing one
    return column.cast(pl.String)


def _trust(value: Any, row: int) -> bool:
    text = "" if value is None else str(value).strip().lower().removesuffix(".0")
    if text not in _TRUSTED:
        raise LabelFileError(
            f"row {row}: the column trusted says {str(value)[:40]!r}: write true or false (or 1/0, yes/no)", row=row
        )
    return _TRUSTED[text]


def read_label_file(path: Path, *, label_column: str | None = None, image_column: str | None = None) -> LabelFile:
    """Read a label file, its format told by the ending of its name.

    A column that is named must be there; one that is not is found by ``labels.columns``, and the warnings say so.
    Raises ``LabelFileError``, whose message starts with the file's name, for anything that is wrong with it.
    """
    try:
        reader = _reader(path.suffix.lower())
        with path.open("rb"):  # polars would read a folder, too
            pass
        return to_label_file(reader(path), label_column, image_column)
    except LabelFileError as error:
        raise LabelFileError(f"{path.name}: {error}", row=error.row) from error
    except OSError as error:
        raise LabelFileError(f"{path.name} can't be read: {error.strerror}") from error


def _reader(suffix: str) -> Callable[[Path], Reading]:
    if suffix in READERS:
        return READERS[suffix]
    if suffix in _SPREADSHEETS:
        raise LabelFileError("this is a spreadsheet: save it as CSV (UTF-8)")
    raise LabelFileError(
        "a label file is .csv, .tsv, .jsonl, .json or .parquet, told by its name: rename or convert it"
    )


def to_label_file(
    reading: Reading, label_column: str | None, image_column: str | None, folders: Sequence[str] | None = None
) -> LabelFile:
    """Settle what the columns of a reading are for, and check them; raises ``LabelFileError``."""
    if reading.table.height == 0:
        raise LabelFileError("there are no rows: a label file needs at least one")
    columns = reading.table.columns
    guess = guess_columns([name for name in columns if name in {LABEL, IMAGE} or holds_text(reading.table[name])])
    chosen = choose_columns(columns, label_column, image_column, guess, labels=reading.labels, image=reading.image)
    warnings = (*reading.warnings, *chosen.warnings)
    label_file = LabelFile(reading.table, chosen.label, chosen.image, reading.format, warnings, folders)
    _ = label_file.given, label_file.images, label_file.trusted  # an unusable column is found here, not later
    return label_file
