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
