"""What each row's label is worth: P(true class | image, given label), and the answers read from it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.noise_model import NoiseModel
from models.groups import SimilarityGroups

Kind = Literal["ok", "confusable", "unrelated"]

BLOCK_CELLS = 1 << 18  # of the n x K table that are worked on at once: a few blocks fit the processor's cache
LEAST_SHARE = 1e-300  # of a row's likelihood


@dataclass(frozen=True)
class RowScores:
    """The answers for n rows, in the rows' order."""

    p_wrong: NDArray[np.float64]
    """``[n]``, the sigmoid of ``log_odds``; a trusted row has one too, though its label stands."""
    log_odds: NDArray[np.float64]
    """``[n]``, finite: the ranking; log P(wrong) - log P(right), which does not tie where ``p_wrong`` is 1."""
    p_confusable: NDArray[np.float64]
    """``[n]``, at most ``p_wrong``: the label is wrong and the truth is in the given class's group."""
    p_slip: NDArray[np.float64]
    """``[n]``, at most ``p_wrong``: the label is wrong because the image is hard (the noise model's annotator)."""
    suggested: NDArray[np.intp]
    """``[n]``, the most probable class other than the given one."""
    flagged: NDArray[np.bool_]
    """``[n]``, ``p_wrong`` > 0.5 and not trusted."""
    kind: NDArray[np.str_]
    """``[n]`` of ``Kind``: ``ok`` if not flagged, else where most of ``p_wrong`` lies."""
    predicted: NDArray[np.intp]
    """``[n]``, the class that the model itself holds most probable."""
    counts: NDArray[np.float64]
    """``[true, given]``: expected number of rows; trusted rows lie on the diagonal."""


def score_rows(
    probabilities: NDArray[np.floating],
    given: NDArray[np.intp],
    trusted: NDArray[np.bool_],
    groups: SimilarityGroups,
    noise: NoiseModel,
) -> RowScores:
    """Score n rows of probabilities ``[n, K]`` under a noise model. Rows are independent: any chunk gives the same."""
    n, K = probabilities.shape
    log_odds, p_confusable, p_slip = np.empty(n), np.empty(n), np.empty(n)
    suggested, predicted = np.empty(n, dtype=np.intp), np.empty(n, dtype=np.intp)
    counts = np.zeros((K, K))  # [given, true]
    confused_by_given = (1 - noise.weight) * noise.transition.T
    mates, is_mate = _mates(groups)
    order = np.argsort(given, kind="stable")  # rows of one label lie together: their transition stays in the cache
    size = max(1, BLOCK_CELLS // K)
    for start in range(0, n, size):
        block = order[start : start + size]
        labels, rows = given[block], np.arange(len(block))
        seen = probabilities[block]
        predicted[block] = seen.argmax(axis=1)
        pi = noise.recalibration.apply(seen, predicted[block])
        joint = confused_by_given[labels]
        if noise.weight:
            slips = noise.weight * noise.annotator(pi, labels)
            joint += slips[:, None]
        joint *= pi  # P(true, given) up to a constant
        right = joint[rows, labels]
        joint[rows, labels] = 0.0
        suggested[block] = joint.argmax(axis=1)
        wrong = np.maximum(joint.sum(axis=1), LEAST_SHARE)
        total = wrong + right
        log_odds[block] = np.log(wrong) - np.log(right)
        p_confusable[block] = (joint[rows[:, None], mates[labels]] * is_mate[labels]).sum(axis=1) / total
        p_slip[block] = slips * (1 - pi[rows, labels]) / total if noise.weight else 0.0
        joint[rows, labels] = right
        share = ~trusted[block] / total
        for first, last in pairwise([0, *(np.flatnonzero(np.diff(labels)) + 1), len(labels)]):
            counts[labels[first]] += share[first:last] @ joint[first:last]
    counts[np.diag_indices(K)] += np.bincount(given[trusted], minlength=K)
    p_wrong = sigmoid(log_odds)
    p_confusable, p_slip = np.minimum(p_confusable, p_wrong), np.minimum(p_slip, p_wrong)
    flagged = (p_wrong > 0.5) & ~trusted
    return RowScores(
        p_wrong=p_wrong,
        log_odds=log_odds,
        p_confusable=p_confusable,
        p_slip=p_slip,
        suggested=suggested,
        flagged=flagged,
        kind=np.where(flagged, np.where(p_confusable > p_wrong / 2, "confusable", "unrelated"), "ok"),
        predicted=predicted,
        counts=counts.T.copy(),
    )


def _mates(groups: SimilarityGroups) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """List the other members of each class's group, ``[K, m]``, and say which entries of the list are filled."""
    membership = groups.membership & ~np.eye(len(groups.classes), dtype=bool)
    width = max(int(membership.sum(axis=1).max()), 1)
    mates = np.argsort(~membership, axis=1, kind="stable")[:, :width]
    return mates, np.take_along_axis(membership, mates, axis=1)


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    share: NDArray[np.float64] = np.where(x >= 0, 1.0, small) / (1 + small)
    return share
