"""Pages of the row answers of a finished audit."""

from collections.abc import Mapping
from typing import Any, Literal

import polars as pl
import polars.selectors as cs
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from labels.label_file import label_text
from labels.taken_names import renames
from service.audits.decisions import Decision
from service.audits.folder import AuditFolder
from service.audits.input_columns import find
from service.audits.steps.finish import ROWS
from service.audits.steps.plan import Plan

Sort = Literal["log_odds", "row"]
RowKind = Literal["ok", "confusable", "unrelated", "duplicate", "outlier"]
DecisionFilter = Literal["none", "any", "keep", "relabel", "unsure"]

_NUMBER, _DECISION = "row", "decision"


class Row(TypedDict):
    """A row's answers, null where it was not scored, beside the columns of the input."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc] # as pydantic's documentation does it

    row: int
    status: str
    p_wrong: float | None
    log_odds: float | None
    p_confusable: float | None
    flagged: bool | None
    suggested_label: str | None
    kind: RowKind | None
    decision: Decision | None


class RowPage(BaseModel):
    """Some rows, each with its number in the input (from 0) as ``row``, and where to go on.

    In JSON, bytes are URL-safe base64.
    """

    model_config = ConfigDict(ser_json_bytes="base64")

    rows: list[Row]
    next_cursor: str | None


def read_page(
    folder: AuditFolder,
    decisions: Mapping[int, Decision],
    *,
    given: str | None = None,
    suggested: str | None = None,
    kind: RowKind | None = None,
    decided: DecisionFilter | None = None,
    sort: Sort,
    start: int,
    limit: int,
) -> RowPage:
    """Filter, sort, and cut ``limit`` rows from ``start`` on; each with its latest decision, or null."""
    table = pl.scan_parquet(folder.path / ROWS)
    columns = table.collect_schema().names()
    renamed = renames([_NUMBER, _DECISION], columns)
    table = table.rename(renamed).with_row_index(_NUMBER)
    if given is not None:
        column = find(Plan.load(folder.path).label_column, columns)
        values = cs.by_name(renamed.get(column, column)).as_expr()  # to pl.col a name may be a pattern
        text = values.map_batches(label_text, return_dtype=pl.String)
        table = table.filter(text == given)
    if suggested is not None:
        table = table.filter(pl.col("suggested_label") == suggested)
    if kind is not None:
        table = table.filter(pl.col("kind") == kind)
    if decided is not None:
        rows = [row for row, each in decisions.items() if decided in {"none", "any", each.decision}]
        chosen = pl.col(_NUMBER).is_in(rows)
        table = table.filter(~chosen if decided == "none" else chosen)
    if sort == "log_odds":
        table = table.sort("log_odds", descending=True, nulls_last=True, maintain_order=True)
    page: list[Any] = table.slice(start, limit + 1).collect().to_dicts()
    for row in page:
        row[_DECISION] = decisions.get(row[_NUMBER])
    return RowPage(rows=page[:limit], next_cursor=str(start + limit) if len(page) > limit else None)
