"""Parquet, through polars."""

from pathlib import Path

import polars as pl

from labels.formats.table_limits import MAX_PARQUET_CELLS, check_cells, check_columns
from labels.label_file_error import LabelFileError


def read_parquet(path: Path) -> pl.DataFrame:
    """Read one Parquet file with the types it has; raises ``LabelFileError`` for one that is damaged or too large."""
    try:
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)  # a name may contain [ or =
        columns = len(frame.collect_schema())
        check_columns(columns)
        check_cells(frame.select(pl.len()).collect().item(), columns, MAX_PARQUET_CELLS)
        return frame.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise LabelFileError("the file is not a Parquet file that can be read: write it again, or use CSV") from error
