"""The classes that an image may be of: where there are many, a few dozen stand for all.

The label and the most probable other ones stand for themselves. The rest matter by what they amount to: each of a few
strata, ever wider with the rank, is represented by the class at its middle.
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
    others = K - 1
    edges = np.geomspace(ALONE, others, STRATA + 1).round().astype(np.intp)
    ranks = np.concatenate([np.arange(ALONE), np.sqrt(edges[:-1] * edges[1:]).astype(np.intp)])
    places = others - ranks
    classes = np.empty((n, 1 + len(ranks)), dtype=np.intp)
    classes[:, 0] = given
    size = max(1, BLOCK_CELLS // K)
    for start in range(0, n, size):
        block = slice(start, start + size)
        labels = given[block]
        seen = probabilities[block].copy()
        seen[np.arange(len(labels)), labels] = -1.0  # the label is no other class: it comes last
        classes[block, 1:] = np.argpartition(seen, places[ALONE - 1 :], axis=1)[:, places]
    sizes = np.concatenate([np.ones(1 + ALONE), np.diff(edges)])
    return classes, np.tile(sizes, (n, 1))
