"""The beginning of a label file, for a person to see what is taken for what before anything is started."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from labels.columns import guess_columns
from labels.errors import LabelFileError
from labels.formats.delimited import UNCLOSED
from labels.formats.reading import LabelFormat, Reading
from labels.formats.text_encoding import encoding_of
from labels.label_file import READERS, holds_text, label_text
from labels.probabilities import probability_classes

SHOWN_ROWS = 6
_MOST_LABELS = 200
_MOST_TEXT = 200
PREVIEWED = (".csv", ".tsv", ".jsonl", ".json")
"""Endings of what can be previewed. A Parquet file made to do harm can end the process that reads it."""
PARTS = (".csv", ".tsv", ".jsonl")
"""Endings of what is read line by line, so that its beginning can be read alone."""


@dataclass(frozen=True)
class Preview:
    """What the beginning of a file says, or all of it."""

    format: LabelFormat
    columns: list[str]
    rows: list[list[str | None]]
    """The first few, as text, cell by cell."""
    rows_read: int
    label_column: str | None
    """Named, or found as an audit would find it; null: none or several may hold the labels."""
    image_column: str | None
    label_candidates: list[str]
    image_candidates: list[str]
    labels: dict[str, int]
    """How often each label stands in the rows that were read: the 200 most frequent, these first."""
    distinct_labels: int
    """How many different labels there are in these rows."""
    probability_classes: list[str]
    warnings: list[str]


def preview_label_file(
    path: Path, *, whole: bool, label_column: str | None = None, image_column: str | None = None
) -> Preview:
    """Read a file, or where it is not ``whole`` its lines but the last, which the cut may have hit.

    ``path`` is rewritten. Raises ``LabelFileError`` as reading the file would, for what is wrong so far.
    """
    reading = READERS[path.suffix](path) if whole else _read_part(path)
    table = reading.table
    if table.height == 0:
        raise LabelFileError("there are no rows: a label file needs at least one")
    guess = guess_columns([name for name in table.columns if holds_text(table[name])])
    candidates = reading.labels or guess.label_candidates
    label = label_column or (candidates[0] if len(candidates) == 1 else None)
    image = image_column or reading.image or guess.image
    for name in (label, image):
        if name is not None and name not in table.columns:
            raise LabelFileError(f"there is no column {name!r}")
    counts = _label_counts(table, label)
    return Preview(
        format=reading.format,
        columns=table.columns,
        rows=[[_shown(cell) for cell in row] for row in table.head(SHOWN_ROWS).rows()],
        rows_read=table.height,
        label_column=label,
        image_column=image,
        label_candidates=list(candidates),
        image_candidates=list(guess.image_candidates),
        labels=dict(counts.head(_MOST_LABELS).sort("count", "label", descending=[True, False]).rows()),
        distinct_labels=counts.height,
        probability_classes=list(probability_classes(table.columns)),
        warnings=list(reading.warnings),
    )


def _read_part(path: Path) -> Reading:
    """Read the whole lines of a part. Where its last cell goes over many lines, another cut has to do."""
    data = path.read_bytes()
    try:
        return _read_lines(path, data)
    except LabelFileError as error:
        if UNCLOSED not in str(error):
            raise
        return _read_lines(path, data[: len(data) // 2])


def _read_lines(path: Path, data: bytes) -> Reading:
    if encoding_of(data[:64]) == "utf-16":
        data = data[: len(data) // 2 * 2].decode("utf-16", "replace").encode()
    line_end = b"\n" if b"\n" in data else b"\r"
    path.write_bytes(data[: data.rfind(line_end) + 1] or data)
    return READERS[path.suffix](path)


def _label_counts(table: pl.DataFrame, label: str | None) -> pl.DataFrame:
    if label is None or not holds_text(table[label]):
        return pl.DataFrame(schema={"label": pl.String, "count": pl.UInt32})
    return label_text(table[label]).drop_nulls().alias("label").value_counts(sort=True, name="count")


def _shown(cell: object) -> str | None:
    if cell is None:
        return None
    text = ", ".join(map(str, cell)) if isinstance(cell, Sequence) and not isinstance(cell, str) else str(cell)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"
