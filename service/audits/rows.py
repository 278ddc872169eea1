"""Reading the row answers of a finished audit: pages of them, and exports."""

from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from audit.posterior import Kind
from labels.formats.write_table import write_table
from labels.label_file import label_text
from service.audits.folder import AuditFolder
from service.audits.input_columns import find, renames
from service.audits.run import ROWS

Sort = Literal["log_odds", "row"]
ExportFormat = Literal["csv", "jsonl", "parquet"]
ExportLabels = Literal["given", "suggested"]

EXPORT_TYPES: dict[ExportFormat, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_NUMBER = "row"
_ORIGINAL = "original_label"


class RowPage(BaseModel):
    """Some rows, each with its number in the input (from 0) as ``row``, and where to go on.

    In JSON, bytes are URL-safe base64.
    """

    model_config = ConfigDict(ser_json_bytes="base64")

    rows: list[dict[str, Any]]
    next_cursor: str | None


def read_page(
    folder: AuditFolder, *, given: str | None, kind: Kind | None, sort: Sort, start: int, limit: int
) -> RowPage:
    """Filter, sort, and cut ``limit`` rows from ``start`` on."""
    table = pl.scan_parquet(folder.path / ROWS)
    columns = table.collect_schema().names()
    renamed = renames([_NUMBER], columns)
    table = table.rename(renamed).with_row_index(_NUMBER)
    if given is not None:
        column = find(folder.options.label_column, columns)
        text = pl.col(renamed.get(column, column)).map_batches(label_text, return_dtype=pl.String)
        table = table.filter(text == given)
    if kind is not None:
        table = table.filter(pl.col("kind") == kind)
    if sort == "log_odds":
        table = table.sort("log_odds", descending=True, nulls_last=True, maintain_order=True)
    page = table.slice(start, limit + 1).collect()
    more = len(page) > limit
    return RowPage(rows=page.head(limit).to_dicts(), next_cursor=str(start + limit) if more else None)


def export(folder: AuditFolder, form: ExportFormat, labels: ExportLabels) -> Path:
    """Write all rows in the input's order into the audit's folder, once, and return the file.

    ``suggested`` puts the suggestion into the label column of flagged rows and what it said into ``original_label``;
    a column of that name in the input goes on as ``original_label_input``.
    """
    path = folder.path / f"export-{labels}.{form}"
    if not path.exists():
        table = pl.read_parquet(folder.path / ROWS)
        if labels == "suggested":
            column = find(folder.options.label_column, table.columns)
            kind = table.schema[column] if table.schema[column].is_numeric() else pl.String
            given, flagged = pl.col(column).cast(kind), pl.col("flagged").fill_null(value=False)
            suggested = pl.col("suggested_label").cast(kind)
            label = pl.when(flagged).then(suggested).otherwise(given)
            kept = [pl.col(old).alias(new) for old, new in renames([_ORIGINAL], table.columns).items()]
            table = table.with_columns(kept).with_columns(**{_ORIGINAL: given, column: label})
        write_table(table, path)
    return path
