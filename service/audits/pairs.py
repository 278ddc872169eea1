"""Who is mistaken for whom among the flagged rows: the directed pairs that a review goes through, one by one."""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

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


def directed_pairs(index: RowIndex, plan: Plan, decided: NDArray[np.uint8], top: int | None = None) -> list[Pair]:
    """List the pairs of the flagged rows, or of those among the ``top`` of the ranking, the largest first.

    ``decided`` has a code of ``CODES`` for each row.
    """
    K = len(plan.spelling)
    rows = np.flatnonzero(index.flagged if top is None else index.flagged & index.among_the_first(top))
    pairs, of = np.unique(index.given[rows].astype(np.int64) * K + index.suggested[rows], return_inverse=True)
    open_ = decided[rows] == 0
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
