"""Connected components of a graph whose edges arrive in batches."""

import numpy as np
from numpy.typing import NDArray


class Components:
    """``n`` nodes, at first each on its own. The smallest node of a component is its root."""

    def __init__(self, n: int) -> None:
        self._parent = np.arange(n)

    def link(self, a: NDArray[np.integer], b: NDArray[np.integer]) -> None:
        """Join the components of ``a[i]`` and ``b[i]``: ``[m]`` each."""
        while len(a):
            # Both ends at a time: a chain of any length is then cut in half each time around.
            a, b = np.split(self.find(np.concatenate([a, b])), 2)
            apart = a != b
            a, b = a[apart], b[apart]
            # Of several smaller roots that a root is to hang under, one wins; the others come round again.
            np.minimum.at(self._parent, np.maximum(a, b), np.minimum(a, b))

    def find(self, nodes: NDArray[np.integer]) -> NDArray[np.int64]:
        """Roots of nodes: ``[m]`` to ``[m]``."""
        while True:
            parents: NDArray[np.int64] = self._parent[nodes]
            grandparents = self._parent[parents]
            if np.array_equal(parents, grandparents):
                return parents
            self._parent[nodes] = grandparents

    def roots(self) -> NDArray[np.int64]:
        """The root of every node: ``[n]``."""
        return self.find(np.arange(len(self._parent)))
