"""Who is mistaken for whom among the flagged rows: the directed pairs that a review goes through, one by one."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from audit.controls import Controls
from service.audits.row_index import RowIndex
from service.audits.steps.plan import Plan

MOST_PAIRS = 1000


class Pair(TypedDict):
    """The flagged rows of one given and one suggested label."""

    given_label: str
    suggested_label: str
    rows: int
    undecided: int
    expected_wrong: float
    """Among the undecided ones."""


def directed_pairs(
    index: RowIndex, plan: Plan, decided: NDArray[np.uint8], top: int | None = None, controls: Controls | None = None
) -> list[Pair]:
    """List the pairs of the flagged rows, or of those among the ``top`` of the ranking, the largest first.

    ``decided`` has a code of ``CODES`` for each row, and for each of the ``controls`` that count as rows.
    """
    K = len(plan.spelling)
    wanted = index.flagged if top is None else index.flagged & index.among_the_first(top)
    rows = numbers = np.flatnonzero(wanted)
    given, suggested = index.given[rows], index.suggested[rows]
    if controls is not None:
        shown = np.flatnonzero(wanted[controls.beside])
        rows, numbers = np.append(rows, controls.beside[shown]), np.append(rows, len(index) + shown)
        given, suggested = np.append(given, controls.given[shown]), np.append(suggested, controls.suggested[shown])
    pairs, of = np.unique(given.astype(np.int64) * K + suggested, return_inverse=True)
    open_ = decided[numbers] == 0
    counts, undecided = np.bincount(of, minlength=len(pairs)), np.bincount(of, weights=open_, minlength=len(pairs))
    expected = np.bincount(of, weights=index.p_wrong[rows] * open_, minlength=len(pairs))
    return [
        {
            "given_label": plan.spelling[int(pairs[at]) // K],
            "suggested_label": plan.spelling[int(pairs[at]) % K],
            "rows": int(counts[at]),
            "undecided": int(undecided[at]),
            "expected_wrong": float(expected[at]),
        }
        for at in np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    ]
