"""Pages of the row answers of a finished audit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from audit.controls import Controls
from labels.label_file import label_text
from labels.taken_names import renames
from service.audits.decided_rows import CODES
from service.audits.decisions import Decision
from service.audits.folder import AuditFolder
from service.audits.input_columns import find
from service.audits.row_answers import Columns, DecisionFilter, RowKind, RowPage, Sort
from service.audits.row_index import KINDS, RowIndex
from service.audits.steps.files import scan_table
from service.audits.steps.finish import ROWS
from service.audits.steps.infer import STATUS
from service.audits.steps.plan import Plan

LookUp = Callable[[Sequence[int]], Mapping[int, Decision]]
"""From row numbers to the latest decisions of those that have one."""

_NUMBER, _DECISION = "row", "decision"
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Wanted:
    """Which rows, in which order, from where on."""

    given: str | None = None
    suggested: str | None = None
    kind: RowKind | None = None
    flagged: bool | None = None
    judged: bool | None = None
    """Whether there is an answer."""
    decision: DecisionFilter | None = None
    top: int | None = None
    """Only so many of the most suspicious rows that nobody verified."""
    sort: Sort = "log_odds"
    start: int = 0
    """A place in that order."""
    limit: int = 100
    columns: Columns = "all"
    second_look: bool = False
    """Only decided rows that were drawn for a second person to judge; see ``second_look``."""
    author: str | None = None
    """Who looks a second time."""


def read_page(
    folder: AuditFolder, wanted: Wanted, decided: NDArray[np.uint8], look_up: LookUp, controls: Controls | None = None
) -> RowPage:
    """Filter, sort, and cut ``limit`` rows; each with its latest decision, or null.

    ``decided`` has a code of ``CODES`` for each row, and for each of the ``controls`` that shall be mixed in.
    """
    index, plan = RowIndex.of(folder), Plan.load(folder.path)
    n = len(index)
    mask = _matching(folder, plan, index, wanted, decided[:n])
    places = _places(mask, index.order if wanted.sort == "log_odds" else None, wanted.start, wanted.limit + 1)
    more = len(places) > wanted.limit
    places = places[: wanted.limit]
    end = int(places[-1]) + 1 if more else n
    numbers = index.order[places] if wanted.sort == "log_odds" else places
    rows = _answers(index, plan, numbers) if wanted.columns == "answers" else _table(folder, numbers)
    if controls is not None:
        at = index.rank[controls.beside] if wanted.sort == "log_odds" else controls.beside
        chosen = _matching_controls(index, plan, controls, wanted, decided[n:]) & (at >= wanted.start) & (at < end)
        rows += _disguised(index, plan, controls, np.flatnonzero(chosen))
        at = np.concatenate([places, at[chosen]])
        rows = [rows[i] for i in np.argsort(at, kind="stable")]
    latest = look_up([row[_NUMBER] for row in rows])
    for row in rows:
        row[_DECISION] = latest.get(row[_NUMBER])
    return RowPage(rows=rows, next_cursor=str(end) if more else None)


def _matching(
    folder: AuditFolder, plan: Plan, index: RowIndex, wanted: Wanted, decided: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    mask = np.ones(len(index), dtype=bool)
    if wanted.given is not None:
        if wanted.given in plan.spelling:
            mask &= index.given == plan.spelling.index(wanted.given)
        else:
            mask &= _has_label(folder, plan, wanted.given)
    if wanted.suggested is not None:
        mask &= (index.suggested == _code(plan, wanted.suggested)) & (index.suggested >= 0)
    if wanted.kind is not None:
        mask &= index.kind == KINDS.index(wanted.kind)
    if wanted.flagged is not None:
        mask &= index.flagged == wanted.flagged
    if wanted.judged is not None:
        mask &= (index.status == 0) == wanted.judged
    if wanted.top is not None:
        mask &= index.among_the_first(wanted.top)
    return mask & _with_decision(decided, wanted.decision)


def _matching_controls(
    index: RowIndex, plan: Plan, controls: Controls, wanted: Wanted, decided: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Which controls look like rows that are wanted: those whose row is not suspicious any more no longer do."""
    mask = index.flagged[controls.beside] & (wanted.flagged is not False) & (wanted.judged is not False)
    if wanted.given is not None:
        mask &= controls.given == _code(plan, wanted.given)
    if wanted.suggested is not None:
        mask &= controls.suggested == _code(plan, wanted.suggested)
    if wanted.kind is not None:
        mask &= index.kind[controls.beside] == KINDS.index(wanted.kind)
    if wanted.top is not None:
        mask &= index.among_the_first(wanted.top)[controls.beside]
    return mask & _with_decision(decided, wanted.decision)


def _with_decision(decided: NDArray[np.uint8], wanted: DecisionFilter | None) -> NDArray[np.bool_]:
    if wanted is None:
        return np.ones(len(decided), dtype=bool)
    undecided: NDArray[np.bool_] = decided == CODES["undecided"]
    if wanted == "none":
        return undecided
    return ~undecided if wanted == "any" else decided == CODES[wanted]


def _code(plan: Plan, label: str) -> int:
    return plan.spelling.index(label) if label in plan.spelling else -1


def _has_label(folder: AuditFolder, plan: Plan, label: str) -> NDArray[np.bool_]:
    """Look for a label that is no class in the file itself."""
    table = scan_table(folder.path / ROWS)
    column = find(plan.label_column, table.collect_schema().names())
    values = table.select(cs.by_name(column)).collect()[column]  # to pl.col a name may be a pattern
    found: NDArray[np.bool_] = (label_text(values) == label).fill_null(value=False).to_numpy()
    return found


def _places(mask: NDArray[np.bool_], order: NDArray[np.int32] | None, start: int, count: int) -> NDArray[np.int64]:
    """The first places, from ``start`` on, whose rows are in the mask; it looks no further than it must."""
    found: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    missing = count
    for first in range(start, len(mask), _BLOCK):
        block = slice(first, first + _BLOCK)
        here = mask[block] if order is None else mask[order[block]]
        found.append(np.flatnonzero(here)[:missing] + first)
        missing -= len(found[-1])
        if not missing:
            break
    return np.concatenate(found)


def _table(folder: AuditFolder, numbers: NDArray[np.integer[Any]]) -> list[dict[str, Any]]:
    """The input's columns and the answers."""
    table = scan_table(folder.path / ROWS)
    table = table.rename(renames([_NUMBER, _DECISION], table.collect_schema().names())).with_row_index(_NUMBER)
    rows = table.filter(pl.col(_NUMBER).is_in(numbers.tolist())).collect().to_dicts()
    by_number = {row[_NUMBER]: row for row in rows}
    return [by_number[number] for number in numbers.tolist()]


def _answers(index: RowIndex, plan: Plan, numbers: NDArray[np.integer[Any]]) -> list[dict[str, Any]]:
    """The answers alone, and the given label where it is a class."""
    return [
        _answer(index, plan, number, number, int(index.given[number]), int(index.suggested[number]))
        for number in numbers.tolist()
    ]


def _answer(index: RowIndex, plan: Plan, number: int, at: int, given: int, suggested: int) -> dict[str, Any]:
    scored = bool(index.status[at] == 0)
    return {
        _NUMBER: number,
        "given_label": plan.spelling[given] if given >= 0 else None,
        "pictured": bool(index.pictured[at]),
        "image": index.name(at),
        "status": STATUS[index.status[at]],
        "p_wrong": float(index.p_wrong[at]) if scored else None,
        "log_odds": float(index.log_odds[at]) if scored else None,
        "p_confusable": float(index.p_confusable[at]) if scored else None,
        "flagged": bool(index.flagged[at]) if scored else None,
        "suggested_label": plan.spelling[suggested] if suggested >= 0 else None,
        "kind": KINDS[index.kind[at]] if scored else None,
    }


def _disguised(index: RowIndex, plan: Plan, controls: Controls, chosen: NDArray[np.intp]) -> list[dict[str, Any]]:
    """Controls as rows: with the answers of the row that each stands beside, and image and classes of its own."""
    return [
        _answer(
            index, plan, len(index) + c, int(controls.beside[c]), int(controls.given[c]), int(controls.suggested[c])
        )
        | {"image": index.name(int(controls.row[c]))}
        for c in chosen.tolist()
    ]
