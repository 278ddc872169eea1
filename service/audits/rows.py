"""Reading the row answers of a finished audit: pages of them, and exports."""

from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel

from labels.label_file import write_table
from models.errors import LookalikeError
from service.audits.folder import AuditFolder
from service.audits.run import ROWS

Kind = Literal["ok", "confusable", "unrelated", "duplicate", "outlier"]
Sort = Literal["log_odds", "row"]
ExportFormat = Literal["csv", "jsonl", "parquet"]
ExportLabels = Literal["given", "suggested"]

EXPORT_TYPES: dict[ExportFormat, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_MOST_ROWS = 2**31


class CursorError(LookalikeError):
    """The cursor is not one that was given out."""


class RowPage(BaseModel):
    """Some rows, each with its number in the input (from 0) as ``row``, and where to go on."""

    rows: list[dict[str, Any]]
    next_cursor: str | None


def read_page(
    folder: AuditFolder, *, given: str | None, kind: Kind | None, sort: Sort, cursor: str | None, limit: int
) -> RowPage:
    """Filter, sort and cut; raises ``CursorError``."""
    start = _start(cursor)
    table = pl.scan_parquet(folder.path / ROWS).with_row_index("row")
    if given is not None:
        table = table.filter(pl.col(folder.options.label_column).cast(pl.String) == given)
    if kind is not None:
        table = table.filter(pl.col("kind") == kind)
    if sort == "log_odds":
        table = table.sort("log_odds", descending=True, nulls_last=True, maintain_order=True)
    page = table.slice(start, limit + 1).collect()
    more = len(page) > limit
    return RowPage(rows=page.head(limit).to_dicts(), next_cursor=str(start + limit) if more else None)


def export(folder: AuditFolder, form: ExportFormat, labels: ExportLabels) -> Path:
    """Write all rows in the input's order into the audit's folder, once, and return the file.

    ``suggested`` puts the suggestion into the label column of flagged rows and what it said into ``original_label``.
    """
    path = folder.path / f"export-{labels}.{form}"
    if not path.exists():
        table = pl.read_parquet(folder.path / ROWS)
        if labels == "suggested":
            column = folder.options.label_column
            given, flagged = pl.col(column).cast(pl.String), pl.col("flagged").fill_null(value=False)
            table = table.with_columns(
                original_label=given, **{column: pl.when(flagged).then(pl.col("suggested_label")).otherwise(given)}
            )
        write_table(table, path)
    return path


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isdecimal() or int(cursor) >= _MOST_ROWS:
        raise CursorError(f"cursor {cursor!r} is not one that this route gave out")
    return int(cursor)
