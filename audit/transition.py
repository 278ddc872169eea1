"""Transition matrices that are smooth where data are few: the M steps of the noise model.

Three families. *Uniform*: every wrong label is as likely as any other, one rate in all. *Pooled*: one rate for the
pairs inside the similarity groups, one for those outside. *Grouped*: pairs inside a group have a rate each, drawn
towards their common mean, and all the pairs outside the groups of one class share one rate, drawn towards the mean of
the classes. A pair outside the groups that flips far more often than its
share gets a rate of its own: groups that miss something do less harm.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Family = Literal["uniform", "pooled", "grouped"]

POOLING_ROWS = 50.0  # a class's own rates weigh as much as the common ones when it has this many rows
CHANCE_ROWS = 2.0  # in each channel (inside, outside groups) so many errors are put down to chance: no noise by default
LEAST_RATE = 1e-7  # no pair is impossible: saturated rows keep an order
STANDOUT_DEVIATIONS = 3.0  # of a binomial count, above the share of its class
STANDOUT_ROWS = 1.0  # and so many rows more


def confusable_pairs(membership: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ``[true, given]``: different classes, either in the group of the other."""
    return (membership | membership.T) & ~np.eye(len(membership), dtype=bool)


def first_transition(classes: int) -> NDArray[np.float64]:
    """Return where the EM starts: a fifth of the labels wrong, evenly."""
    transition = np.full((classes, classes), 0.2 / (classes - 1))
    np.fill_diagonal(transition, 0.8)
    return transition


def uniform_transition(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the M step of one rate for all pairs, from expected counts ``[true, given]``."""
    K = len(counts)
    rows = counts.sum()
    rate = max((rows - counts.trace() - CHANCE_ROWS) / max(rows, 1.0), LEAST_RATE)
    transition = np.full((K, K), rate / (K - 1))
    np.fill_diagonal(transition, 1 - rate)
    return transition


def pooled_transition(counts: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the M step of the pooled family; ``free`` pairs have one rate, the others another."""
    return grouped_transition(counts, free, pooling=1e12)


def grouped_transition(
    counts: NDArray[np.float64], free: NDArray[np.bool_], *, pooling: float = POOLING_ROWS
) -> NDArray[np.float64]:
    """Return the M step of the grouped family; ``free`` pairs have own rates."""
    K = len(counts)
    rows = counts.sum(axis=1)
    true, given = np.nonzero(free)
    width = np.bincount(true, minlength=K)
    others = K - 1 - width
    found = counts[true, given]
    elsewhere = np.maximum(rows - counts.diagonal() - np.bincount(true, weights=found, minlength=K), 0.0)
    inside = _drawn_together(found, rows[true], _common(found.sum(), rows @ width), pooling, K)
    outside = _drawn_together(
        elsewhere / np.maximum(others, 1), rows, _common(elsewhere.sum(), rows @ others), pooling, K
    )
    transition = np.repeat(outside[:, None], K, axis=1)
    transition[true, given] = inside
    # Every rate is a share of the same rows, so a row's rates sum to 1 at most; the diagonal takes the rest.
    wrong = others * outside + np.bincount(true, weights=inside, minlength=K)
    right = np.maximum(1 - wrong, LEAST_RATE)
    np.fill_diagonal(transition, right)
    transition /= (right + wrong)[:, None]
    return transition


def _common(errors: float, chances: float) -> float:
    """Return the rate of all pairs of a kind: so many errors, but for some by chance, in so many rows x pairs."""
    return max(float(errors) - CHANCE_ROWS, 0.0) / max(float(chances), 1.0)


def _drawn_together(
    errors: NDArray[np.float64], rows: NDArray[np.float64], common: float, pooling: float, K: int
) -> NDArray[np.float64]:
    rates: NDArray[np.float64] = np.maximum((errors + pooling * common) / (rows + pooling), LEAST_RATE / K)
    return rates


def parameters(free: NDArray[np.bool_], rows: NDArray[np.float64]) -> float:
    """Effective number of parameters of a grouped transition: a rate that is mostly pooled counts for little.

    ``rows`` ``[K]`` is the number of rows of each true class.
    """
    own = rows / (rows + POOLING_ROWS)
    return float(2 + own @ (free.sum(axis=1) + 1))


def standout_pairs(counts: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pairs, not ``free``, whose expected ``counts`` ``[true, given]`` are far above their class's share."""
    K = len(counts)
    outside = ~free & ~np.eye(K, dtype=bool)
    pairs = np.maximum(outside.sum(axis=1, keepdims=True), 1)
    share = np.where(outside, counts, 0.0).sum(axis=1, keepdims=True) / pairs
    # The count is part of its class's sum, which matters where pairs are few: with three classes it is one of two.
    deviation = np.sqrt(share * (1 - 1 / pairs))
    found: NDArray[np.bool_] = outside & (counts > share + STANDOUT_DEVIATIONS * deviation + STANDOUT_ROWS)
    return found
