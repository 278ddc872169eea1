"""The process in which a Parquet file is read: ``python -m labels.formats.unpack_parquet FILE PARENT > TABLE``.

Parquet is unpacked by lengths that it states itself. A file made to do harm states lengths at which polars can only end
its process, or rows without end in a few bytes; here that costs a process which has nothing else to do.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

import polars as pl

from labels.errors import LabelFileError
from labels.formats.allowed_memory import allowed_memory
from labels.formats.table_limits import MAX_PARQUET_BYTES, MAX_PARQUET_CELLS, check_cells, check_columns

REFUSED = 3
"""Exit status: what was written is no table but the reason why not."""
DAMAGED = (
    "the file is not a Parquet file that can be read within half of the memory that there is: write it again, "
    "or use CSV"
)
_PR_SET_PDEATHSIG = 1
MOST_CPU_SECONDS = 600
MOST_SECONDS = 1800
"""By the clock; polars may stand still where the memory doesn't suffice for its threads."""


def main() -> None:
    """Write the table as Arrow IPC to the standard output."""
    end_with(int(sys.argv[2]))
    limit_itself()
    try:
        table = unpack(Path(sys.argv[1]))
    except LabelFileError as error:
        sys.stdout.write(str(error))
        sys.exit(REFUSED)
    table.write_ipc(sys.stdout.buffer)


def unpack(path: Path) -> pl.DataFrame:
    """Read one Parquet file with the types it has; raises ``LabelFileError`` for one that is damaged or too large."""
    try:
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)  # a name may contain [ or =
        columns = len(frame.collect_schema())
        check_columns(columns)
        check_cells(frame.select(pl.len()).collect().item(), columns, MAX_PARQUET_CELLS)
        table = frame.collect()
        _check_bytes(table)
        _check_years(table)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, MemoryError) as error:
        raise LabelFileError(DAMAGED) from error
    return table


def end_with(parent: int) -> None:
    """Be killed when the parent process ends, however it ends: nobody would read the answer (Linux; prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before this process asked
        sys.exit(1)


def limit_itself() -> None:
    """Bound the memory and the time of this process, and let it leave no core."""
    for kind, most in (
        (resource.RLIMIT_DATA, allowed_memory() // 2),
        (resource.RLIMIT_CPU, MOST_CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))


def _check_bytes(table: pl.DataFrame) -> None:
    """Refuse a long text on many rows: Parquet and polars keep it once, everything else once a row."""
    size = table.estimated_size()
    if size > MAX_PARQUET_BYTES:
        raise LabelFileError(
            f"unpacked the table has {size} bytes, at most {MAX_PARQUET_BYTES} are accepted: leave out columns"
        )


def _check_years(table: pl.DataFrame) -> None:
    """Refuse dates that neither text nor Python can hold; polars panics when it writes them."""
    for column in table.iter_columns():
        if isinstance(column.dtype, pl.Date | pl.Datetime):
            years = column.drop_nulls().dt.year()  # null for a date beyond polars' own calendar
            if not years.is_between(1, 9999).fill_null(value=False).all():
                name = column.name[:80]
                raise LabelFileError(f"the column {name!r} holds dates outside the years 1 to 9999: leave it out")


if __name__ == "__main__":
    main()
