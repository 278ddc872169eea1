"""The classes that an image may be of: where there are many, a few dozen stand for all.

The most probable ones stand for themselves. The others matter by what they amount to: each of a few strata, ever wider
with the rank, is represented by the class at its middle.
"""

import numpy as np
from numpy.typing import NDArray

MOST = 32
"""Up to so many classes all stand for themselves."""
ALONE = 16
STRATA = 8
BLOCK_CELLS = 1 << 20


def likely_classes(
    probabilities: NDArray[np.floating], given: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return classes, the label ``given`` among them, and how many each stands for: ``[n, C]`` each, of ``[n, K]``."""
    n, K = probabilities.shape
    if K <= MOST:
        return np.tile(np.arange(K), (n, 1)), np.ones((n, K))
    edges = np.geomspace(ALONE, K, STRATA + 1).round().astype(np.intp)
    ranks = np.concatenate([np.arange(ALONE), np.sqrt(edges[:-1] * edges[1:]).astype(np.intp)])
    places = K - 1 - ranks
    classes = np.empty((n, len(places)), dtype=np.intp)
    size = max(1, BLOCK_CELLS // K)
    for start in range(0, n, size):
        block = slice(start, start + size)
        classes[block] = np.argpartition(probabilities[block], places[ALONE - 1 :], axis=1)[:, places]
    sizes = np.tile(np.concatenate([np.ones(ALONE), np.diff(edges)]), (n, 1))
    sizes[classes == given[:, None]] = 1.0
    missing = np.flatnonzero(~(classes == given[:, None]).any(axis=1))
    classes[missing, ALONE - 1] = given[missing]
    return classes, sizes
