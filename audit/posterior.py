"""What each row's label is worth: P(true class | image, given label), and the answers read from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.evidence import LEAST_PROBABILITY, Evidence
from audit.transition import NoiseModel

Kind = Literal["ok", "confusable", "unrelated"]

BLOCK_CELLS = 1 << 20  # of the n x K table that are worked on at once


@dataclass(frozen=True)
class RowScores:
    """The answers for n rows, in the rows' order."""

    p_wrong: NDArray[np.float64]
    """``[n]``, the sigmoid of ``log_odds``; a trusted row has one too, though its label stands."""
    log_odds: NDArray[np.float64]
    """``[n]``, finite: the ranking; log P(wrong) - log P(right), which does not tie where ``p_wrong`` is 1."""
    p_confusable: NDArray[np.float64]
    """``[n]``, at most ``p_wrong``: the label is wrong and the truth is in the given class's group."""
    suggested: NDArray[np.intp]
    """``[n]``, the most probable class other than the given one."""
    flagged: NDArray[np.bool_]
    """``[n]``, ``p_wrong`` > 0.5 and not trusted."""
    kind: NDArray[np.str_]
    """``[n]`` of ``Kind``: ``ok`` if not flagged, else where most of ``p_wrong`` lies."""


def score_rows(evidence: Evidence, noise: NoiseModel) -> RowScores:
    """Score every row under a noise model, in blocks of rows."""
    n, K = evidence.probabilities.shape
    log_odds = np.empty(n)
    p_confusable = np.empty(n)
    suggested = np.empty(n, dtype=np.intp)
    log_ratio = np.log(noise.prior_ratio)
    log_transition = np.log(noise.transition)
    size = max(1, BLOCK_CELLS // K)
    for start in range(0, n, size):
        block = slice(start, start + size)
        given = evidence.given[block]
        # log p(y | x) + log prior ratio[y] + log T[y, given], up to a constant a row
        log_joint = np.log(np.maximum(evidence.probabilities[block], LEAST_PROBABILITY), dtype=np.float64)
        log_joint += log_ratio + log_transition[:, given].T
        rows = np.arange(len(given))
        right = log_joint[rows, given]
        log_joint[rows, given] = -np.inf
        suggested[block] = log_joint.argmax(axis=1)
        peak = log_joint.max(axis=1)
        others = np.exp(log_joint - peak[:, None])  # the given class is 0 here
        wrong = others.sum(axis=1)
        log_odds[block] = peak + np.log(wrong) - right
        p_confusable[block] = (others * evidence.groups.membership[given]).sum(axis=1) / wrong
    p_wrong = _sigmoid(log_odds)
    share = np.minimum(p_confusable, 1.0)
    flagged = (p_wrong > 0.5) & ~evidence.trusted
    return RowScores(
        p_wrong=p_wrong,
        log_odds=log_odds,
        p_confusable=share * p_wrong,
        suggested=suggested,
        flagged=flagged,
        kind=np.where(flagged, np.where(share > 0.5, "confusable", "unrelated"), "ok"),
    )


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    small = np.exp(-np.abs(x))
    sigmoid: NDArray[np.float64] = np.where(x >= 0, 1.0, small) / (1 + small)
    return sigmoid
