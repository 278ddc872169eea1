"""How large a table may be: what keeps a small hostile file from filling the memory."""

from labels.errors import LabelFileError

MAX_COLUMNS = 10_000
MAX_TEXT_CELLS = 200_000_000  # CSV, TSV and JSONL: each cell costs some 16 to 60 bytes
MAX_PARQUET_CELLS = 2_000_000_000
MAX_PARQUET_BYTES = 16 * 2**30  # with every text written out on each of its rows
MAX_ROWS = 50_000_000
MAX_JSON_BYTES = 256 * 2**20  # a document is parsed in one piece
MAX_JSON_VALUES = 20_000_000  # each costs some 30 to 250 bytes


def check_columns(count: int) -> None:
    """Raise ``LabelFileError`` for more columns than ``MAX_COLUMNS``."""
    if count > MAX_COLUMNS:
        raise LabelFileError(
            f"there are {count} columns, at most {MAX_COLUMNS} are accepted: leave out what is not needed"
        )


def check_cells(rows: int, columns: int, limit: int) -> None:
    """Raise ``LabelFileError`` for a table of more than ``limit`` cells, or of more than ``MAX_ROWS`` rows."""
    if rows > MAX_ROWS:
        raise LabelFileError(f"the table has more than {MAX_ROWS} rows: split the file")
    if rows * columns > limit:
        raise LabelFileError(
            f"the table has more than {limit} cells ({rows} rows so far, {columns} columns): leave out columns, "
            "split the file, or save it as Parquet"
        )


def check_json(text: str) -> None:
    """Raise ``LabelFileError`` for a document of more than ``MAX_JSON_VALUES`` values, before it is parsed."""
    values = sum(map(text.count, ",[{"))  # those in text are counted too: the bound is on the safe side
    if values > MAX_JSON_VALUES:
        raise LabelFileError(
            f"there are more than {MAX_JSON_VALUES} values: split the file, or save it as JSONL or CSV"
        )
