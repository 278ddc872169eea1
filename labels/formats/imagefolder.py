"""Hugging Face's ``imagefolder`` metadata: a table beside the images, whose ``file_name`` names them.

The layout is documented at huggingface.co/docs/datasets/image_dataset. There may be a table in each of several folders;
its names are paths below that folder.
"""

import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

import polars as pl

from labels.errors import LabelFileError
from labels.formats.delimited import read_csv
from labels.formats.json_lines import read_json_lines
from labels.formats.parquet import read_parquet
from labels.formats.reading import Reading
from labels.formats.table_limits import MAX_TEXT_CELLS, check_cells
from labels.images.source import ImageSource

FILE_NAME = "file_name"
_READERS = {"metadata.csv": read_csv, "metadata.jsonl": read_json_lines, "metadata.parquet": read_parquet}
_MOST_TABLES = 1000


def metadata_files(names: Sequence[str]) -> list[str]:
    """Of all files those with metadata."""
    return [name for name in names if PurePosixPath(name).name in _READERS]


def read_imagefolder(source: ImageSource, tables: Sequence[str]) -> tuple[Reading, list[str]]:
    """Read the tables as one, in the order given; returns also the folder of each row, with a slash behind, or empty.

    Raises ``LabelFileError`` naming the table that can't be read or doesn't fit the others, and ``ImageSourceError``.
    """
    if len(tables) > _MOST_TABLES:
        raise LabelFileError(f"there are {len(tables)} metadata files, at most {_MOST_TABLES} are read: make them one")
    readings: list[Reading] = []
    folders: list[str] = []
    for name in tables:
        reading = _read(source, name)
        if readings and set(reading.table.columns) != set(readings[0].table.columns):
            raise LabelFileError(f"{name} has other columns than {tables[0]}: give both the same")
        readings.append(reading)
        folders += [name.removesuffix(PurePosixPath(name).name)] * reading.table.height
        check_cells(len(folders), reading.table.width, MAX_TEXT_CELLS)
    table = _concatenated([reading.table for reading in readings])
    warnings = dict.fromkeys(chain.from_iterable(reading.warnings for reading in readings))
    image = FILE_NAME if FILE_NAME in table.columns else None
    return Reading(table, "imagefolder", image=image, warnings=tuple(warnings)), folders


def _read(source: ImageSource, name: str) -> Reading:
    short = PurePosixPath(name).name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / short
        path.write_bytes(source.read(name))
        try:
            return _READERS[short](path)
        except LabelFileError as error:
            raise LabelFileError(f"{name}: {error}", row=error.row) from error


def _concatenated(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Tables of the same columns, one after the other; a column without values takes the kind that it has elsewhere."""
    parts = []
    kinds = {name: {table.schema[name] for table in tables if table[name].count()} for name in tables[0].columns}
    for name, found in kinds.items():
        if len(found) > 1 and not all(kind.is_numeric() for kind in found):
            raise LabelFileError(f"the column {name[:80]!r} holds different kinds in the metadata files: make them one")
    for table in tables:
        empty = {name: found for name, found in kinds.items() if found and not table[name].count()}
        nulls = (pl.lit(None, dtype=next(iter(found))).alias(name) for name, found in empty.items())
        parts.append(table.with_columns(nulls)[list(kinds)])
    return pl.concat(parts, how="vertical_relaxed")
