"""Label files: which label each image was given, in CSV, TSV, JSONL or Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labels.errors import LabelFileError
from labels.formats.delimited import read_delimited
from labels.formats.json_lines import read_json_lines
from labels.formats.parquet import read_parquet
from labels.images.names import normalise_name

LabelFileFormat = Literal["csv", "tsv", "jsonl", "parquet"]
_FORMATS: dict[str, LabelFileFormat] = {"csv": "csv", "tsv": "tsv", "jsonl": "jsonl", "parquet": "parquet"}
_TRUSTED = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_SHOWN = 5  # rows or names that a message lists


@dataclass(frozen=True, eq=False)  # arrays and tables have no one truth value
class LabelFile:
    """The rows of a label file, N of them, in the file's order and with all its columns."""

    table: pl.DataFrame
    label_column: str
    image_column: str | None  # None where the file has none
    format: LabelFileFormat

    @cached_property
    def given(self) -> list[str | None]:
        """The labels by ``label_text``; null is None."""
        column = self.table[self.label_column]
        if not _holds_text(column):
            raise LabelFileError(f"the label column {self.label_column!r} holds {column.dtype}: it must hold text")
        return label_text(column).to_list()

    @cached_property
    def original(self) -> list[str | None]:
        """The column ``original_label`` as text: what a trusted label said before; None where there is none."""
        if "original_label" not in self.table.columns or not _holds_text(self.table["original_label"]):
            return [None] * self.table.height
        return label_text(self.table["original_label"]).to_list()

    @cached_property
    def images(self) -> list[str | None]:
        """The names of the images as they stand; None where a row names none."""
        if self.image_column is None:
            return [None] * self.table.height
        column = self.table[self.image_column]
        if not _holds_text(column):
            raise LabelFileError(f"the image column {self.image_column!r} holds {column.dtype}: it must hold names")
        return [name or None for name in column.cast(pl.String).to_list()]

    @cached_property
    def trusted(self) -> NDArray[np.bool_]:
        """Which labels were verified, ``[N]``; false where the column ``trusted`` is missing or a cell is empty."""
        if "trusted" not in self.table.columns:
            return np.zeros(self.table.height, dtype=bool)
        values = self.table["trusted"].to_list()
        return np.array([_trust(value, row) for row, value in enumerate(values, 1)], dtype=bool)


def _holds_text(column: pl.Series) -> bool:
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


def read_label_file(path: Path, *, label_column: str = "label", image_column: str = "image") -> LabelFile:
    """Read a label file, its format told by the suffix.

    Raises ``LabelFileError``, whose message starts with the file's name, for anything that is wrong with it.
    """
    suffix = path.suffix.lower().removeprefix(".")
    try:
        file_format = _format(suffix)
        with path.open("rb"):  # polars would read a folder, too
            pass
        table = _read(path, file_format)
        _check_table(table, label_column, image_column)
        found = image_column if image_column in table.columns else None
        label_file = LabelFile(table, label_column, found, file_format)
        _ = label_file.given, label_file.images, label_file.trusted  # an unusable column is found here, not later
    except LabelFileError as error:
        raise LabelFileError(f"{path.name}: {error}", row=error.row) from error
    except OSError as error:
        raise LabelFileError(f"{path.name} can't be read: {error.strerror}") from error
    return label_file


def _format(suffix: str) -> LabelFileFormat:
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    raise LabelFileError("a label file is .csv, .tsv, .jsonl or .parquet, told by its name: rename or convert it")


def _read(path: Path, file_format: LabelFileFormat) -> pl.DataFrame:
    match file_format:
        case "csv":
            return read_delimited(path, ",")
        case "tsv":
            return read_delimited(path, "\t")
        case "jsonl":
            return read_json_lines(path)
        case "parquet":
            return read_parquet(path)


def _check_table(table: pl.DataFrame, label_column: str, image_column: str) -> None:
    names = ", ".join(repr(name) for name in table.columns[:50]) + (", …" if table.width > 50 else "")
    if table.height == 0:
        raise LabelFileError("there are no rows: a label file needs at least one")
    if label_column not in table.columns:
        raise LabelFileError(
            f"there is no column {label_column!r} for the labels; say which of {names} it is (label_column)"
        )
    if image_column not in table.columns and image_column != "image":
        raise LabelFileError(
            f"there is no column {image_column!r} for the images; say which of {names} it is (image_column)"
        )


@dataclass(frozen=True, eq=False)  # arrays and tables have no one truth value
class ResolvedLabels:
    """The labels as class indices."""

    indices: NDArray[np.int64]  # [N], -1 where the label is not a class
    spelling: tuple[str, ...]  # how the file spells each class: its name, or its index
    original: NDArray[np.int64]  # [N], what the label said before it was verified; -1 where the file doesn't say
    warnings: list[str]  # what a person should know, in whole sentences


def resolve_labels(label_file: LabelFile, classes: Sequence[str]) -> ResolvedLabels:
    """Find each label among the classes: by its exact name, or, where no label is a name, by its index.

    Indices are taken only if every label that is there is a whole number from 0 to K - 1.
    """
    given = label_file.given
    by_name = {name: index for index, name in enumerate(classes)}
    present = {label for label in given if label}
    warnings = []
    by_index = {str(index): index for index in range(len(classes))}
    lookup = by_name
    if present and present.isdisjoint(by_name) and present <= by_index.keys():
        lookup = by_index
        warnings.append(
            f"The labels are whole numbers: they are taken as indices of the classes, from 0 = {classes[0]!r} "
            f"to {len(classes) - 1} = {classes[-1]!r}."
        )
    indices = np.array([-1 if label is None else lookup.get(label, -1) for label in given], dtype=np.int64)
    warnings += _unknown_labels(given, indices)
    warnings += _repeated_images(label_file.images)
    before = np.array([-1 if label is None else lookup.get(label, -1) for label in label_file.original], dtype=np.int64)
    return ResolvedLabels(indices, tuple(lookup), before, warnings)


def _unknown_labels(given: Sequence[str | None], indices: NDArray[np.int64]) -> list[str]:
    unknown = [row for row, index in enumerate(indices.tolist(), 1) if index < 0]
    if not unknown:
        return []
    labels = (given[row - 1] for row in unknown)
    examples = list(dict.fromkeys("(none)" if label is None else repr(label) for label in labels))
    count = f"{len(unknown)} of {len(given)} labels"
    return [f"{count} are not among the classes: {_listed(examples)}; first in {_rows(unknown)}."]


def _repeated_images(images: Sequence[str | None]) -> list[str]:
    seen: set[str] = set()
    repeated = []
    for row, name in enumerate(images, 1):
        if name is None:
            continue
        key = normalise_name(name) or name
        if key in seen:
            repeated.append(row)
        seen.add(key)
    if not repeated:
        return []
    return [f"{len(repeated)} rows name an image that an earlier row names too: first in {_rows(repeated)}."]


def _rows(rows: Sequence[int]) -> str:
    return ("row " if len(rows) == 1 else "rows ") + _listed([str(row) for row in rows[: _SHOWN + 1]])


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items[:_SHOWN]) + (", …" if len(items) > _SHOWN else "")
