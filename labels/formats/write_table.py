"""Write a table so that nobody ever sees half of it."""

import json
import os
import uuid
from pathlib import Path
from typing import IO

import polars as pl
import polars.selectors as cs
from polars.datatypes import DataTypeClass

from labels.errors import LabelFileError
from labels.formats.disk_errors import disk_errors


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write CSV, TSV, JSONL or Parquet, by the suffix of ``path``: aside, synced to disk, then renamed into place.

    Text comes back from ``read_label_file`` cell for cell. What a format can't hold is written as text: in CSV and TSV
    lists and objects as JSON, null as an empty cell; in JSONL numbers that are not finite as null; in all three
    bytes as base64. Raises ``LabelFileError`` for another suffix; a file that was there before is then untouched; and
    ``OSError`` where the disk fails.
    """
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".tsv", ".jsonl", ".parquet"}:
        raise LabelFileError(f"{path.name}: a table is written as .csv, .tsv, .jsonl or .parquet")
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with disk_errors(), aside.open("xb") as file:
            _write(table, file, suffix)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:  # also polars' panics and Ctrl-C: leave nothing behind
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(table: pl.DataFrame, file: IO[bytes], suffix: str) -> None:
    if suffix == ".parquet":
        table.write_parquet(file)
    elif suffix == ".jsonl":
        with_bytes_as_text(table).write_ndjson(file)
    else:
        # Null as "" rather than nothing: a row of one empty cell would be a blank line, which readers skip.
        text = table.select([_as_text(column) for column in with_bytes_as_text(table).iter_columns()])
        text.write_csv(file, separator="\t" if suffix == ".tsv" else ",")


def with_bytes_as_text(table: pl.DataFrame) -> pl.DataFrame:
    """Bytes at any depth become base64."""
    return table.with_columns(  # not pl.col: to it a name may be a pattern
        _base64(cs.by_name(name).as_expr(), dtype).alias(name)
        for name, dtype in table.schema.items()
        if _holds_bytes(dtype)
    )


def _holds_bytes(dtype: pl.DataType | DataTypeClass) -> bool:
    match dtype:
        case pl.Array() | pl.List():
            return _holds_bytes(dtype.inner)
        case pl.Struct():
            return any(_holds_bytes(each.dtype) for each in dtype.fields)
    return dtype == pl.Binary


def _base64(values: pl.Expr, dtype: pl.DataType | DataTypeClass) -> pl.Expr:
    """Bytes to text at any depth: a Parquet file of images often has records of a path and bytes."""
    match dtype:
        case pl.Binary():
            return values.bin.encode("base64")
        case pl.Array():
            return _base64(values.arr.to_list(), pl.List(dtype.inner))
        case pl.List(inner=pl.DataType() as inner) if inner.is_nested() or inner == pl.Binary:
            return values.list.eval(_base64(pl.element(), inner))
        case pl.Struct() if dtype.fields:
            fields = (_base64(values.struct.field(each.name), each.dtype).alias(each.name) for each in dtype.fields)
            return pl.when(values.is_not_null()).then(pl.struct(fields))
    return values


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Duration:
        column = column.dt.to_string("iso")
    elif column.dtype.is_nested():
        values = (
            None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in column.to_list()
        )
        column = pl.Series(column.name, values, dtype=pl.String)
    return column.fill_null("") if column.dtype == pl.String else column
