"""What is told of a row."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from service.audits.decisions import Decision

Sort = Literal["log_odds", "row"]
Columns = Literal["all", "answers"]
RowKind = Literal["ok", "confusable", "unrelated", "duplicate", "outlier"]
DecisionFilter = Literal["none", "any", "keep", "relabel", "unsure"]


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
