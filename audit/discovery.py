"""Groups that nobody named: the pairs of classes that the labels of sure images confuse more often than others.

Among the images whose class a model is most sure of, the given labels are off by noise rather than by the model's own
doubt (``anchor_counts``). A pair that stands far above the other wrong labels of its class is a candidate; whether a
candidate is noise or what the model confuses by itself is for the likelihood to say (``audit/cross_validated.py``).
"""

import numpy as np
from numpy.typing import NDArray

from audit.transition import standout_pairs

MOST_MATES = 3
"""A class is confusable with so many others at most: a weak model's doubts must not make one group of all classes."""
MOST_ROUNDS = 10


def discovered_pairs(anchors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return ``[K, K]``, symmetric, diagonal false: candidates in the given labels of anchors ``[predicted, given]``.

    Deterministic; a class that has no anchors has no candidates of its own.
    """
    found = np.zeros(anchors.shape, dtype=bool)
    for _ in range(MOST_ROUNDS):
        more = standout_pairs(anchors, found)
        if not more.any():
            break
        found |= more
    rates = np.where(found, anchors, 0.0) / np.maximum(anchors.sum(axis=1, keepdims=True), 1)
    rates = np.maximum(rates, rates.T)
    least = -np.sort(-rates, axis=1)[:, min(MOST_MATES, len(rates)) - 1]
    kept = (rates > 0) & (rates >= least[:, None])
    pairs: NDArray[np.bool_] = kept & kept.T
    return pairs


def components(pairs: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return ``[K]``: for each class the smallest class that it is connected with through symmetric ``pairs``."""
    K = len(pairs)
    label = np.arange(K)
    linked = pairs | np.eye(K, dtype=bool)
    while True:
        reached = np.array([label[row].min() for row in linked])
        if np.array_equal(reached, label):
            return label
        label = reached


def nearest_pairs(probabilities: NDArray[np.floating], given: NDArray[np.intp], most: int) -> NDArray[np.bool_]:
    """Return ``[K, K]``, symmetric, diagonal false: each label with the ``most`` classes that its rows are taken for.

    Of ``probabilities`` ``[n, K]`` the sums by label ``given``; the one row that says the most for a pair doesn't
    count, or a single wrong label would make one. Where a class has few rows and fewer anchors, that tells more.
    """
    K = probabilities.shape[1]
    near = np.zeros((K, K), dtype=bool)
    order = np.argsort(given, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(given[order])) + 1):
        seen = probabilities[rows]
        taken_for = seen.sum(axis=0, dtype=np.float64) - seen.max(axis=0)
        taken_for[given[rows[0]]] = 0.0
        highest = np.argpartition(-taken_for, most)[:most]
        near[given[rows[0]], highest] = taken_for[highest] > 0
    pairs: NDArray[np.bool_] = near | near.T
    return pairs
