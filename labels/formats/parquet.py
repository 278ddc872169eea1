"""Parquet, through polars."""

from pathlib import Path

import polars as pl

from labels.errors import LabelFileError
from labels.formats.reading import Reading
from labels.formats.table_limits import MAX_PARQUET_CELLS, check_cells, check_columns


def read_parquet(path: Path) -> Reading:
    """Read one Parquet file with the types it has; raises ``LabelFileError`` for one that is damaged or too large."""
    try:
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)  # a name may contain [ or =
        columns = len(frame.collect_schema())
        check_columns(columns)
        check_cells(frame.select(pl.len()).collect().item(), columns, MAX_PARQUET_CELLS)
        table = frame.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise LabelFileError("the file is not a Parquet file that can be read: write it again, or use CSV") from error
    _check_years(table)
    return Reading(table, "parquet")


def _check_years(table: pl.DataFrame) -> None:
    """Refuse dates that neither text nor Python can hold; polars panics when it writes them."""
    for column in table.iter_columns():
        if isinstance(column.dtype, pl.Date | pl.Datetime):
            years = column.drop_nulls().dt.year()  # null for a date beyond polars' own calendar
            if not years.is_between(1, 9999).fill_null(value=False).all():
                name = column.name[:80]
                raise LabelFileError(f"the column {name!r} holds dates outside the years 1 to 9999: leave it out")
