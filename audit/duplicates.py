"""Rows whose images are equal or nearly so, and whether their labels agree."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.components import Components
from models.perceptual_hash import NEAR, TABLES, cells, is_blank

_WINDOW = 64
"""Within a cell an image is compared with so many that follow it: a cell full of blank images costs no more."""
_PAIRS = 1 << 18
_ROWS = 1 << 16


@dataclass(frozen=True)
class Duplicates:
    """Clusters of n rows with the same image. Nearly equal images are linked, directly or through others."""

    cluster: NDArray[np.int64]
    """``[n]``: the cluster's number, counted by first rows, or -1 for an image that is there once."""
    conflict: NDArray[np.bool_]
    """``[n]``: the rows of the cluster don't all have the same label, though something can be seen on their images."""
    exact_clusters: int
    """Images that are there more than once, pixel for pixel."""
    exact_rows: int
    near_clusters: int
    """Clusters of more than one image."""
    near_rows: int

    @property
    def conflicting_clusters(self) -> int:
        """Clusters whose rows have different labels."""
        return len(np.unique(self.cluster[self.conflict]))

    @classmethod
    def none(cls, rows: int) -> Self:
        """Without images there are no duplicates."""
        return cls(np.full(rows, -1), np.zeros(rows, dtype=bool), 0, 0, 0, 0)

    def to_json(self) -> dict[str, dict[str, int]]:
        """Return counts of clusters and of the rows in them."""
        return {
            "exact": {"clusters": self.exact_clusters, "rows": self.exact_rows},
            "near": {"clusters": self.near_clusters, "rows": self.near_rows},
            "conflicting": {"clusters": self.conflicting_clusters, "rows": int(self.conflict.sum())},
        }


def find_duplicates(
    hashes: NDArray[np.uint64], descriptors: NDArray[np.int16], given: NDArray[np.integer]
) -> Duplicates:
    """Find the duplicates among n rows, in memory and time that grow with n alone.

    ``hashes`` ``[n]`` are equal for equal pixels; ``descriptors`` ``[n, LENGTH]`` are ``models.perceptual_hash``'s, or
    ``[n, 0]`` to look for equal pixels only; ``given`` ``[n]`` are the labels. Pairs of near duplicates are compared
    where they share a cell, so one in some hundred may be missed. The order of the rows only changes the clusters'
    numbers.
    """
    if len(hashes) == 0:
        return Duplicates.none(0)
    _, first, image, copies = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    linked = Components(len(first))
    if descriptors.shape[1]:
        _link_near(descriptors, first, linked)
    root = linked.roots()[image]
    blank = is_blank(descriptors) if descriptors.shape[1] else np.zeros(len(root), dtype=bool)
    size, images = (np.bincount(each, minlength=len(first))[root] for each in (root, linked.roots()))
    cluster = _number(root, size > 1)
    near = images > 1
    return Duplicates(
        cluster=cluster,
        conflict=_differs(root, given) & ~blank,
        exact_clusters=int((copies > 1).sum()),
        exact_rows=int(copies[copies > 1].sum()),
        near_clusters=len(np.unique(cluster[near])),
        near_rows=int(near.sum()),
    )


def _number(root: NDArray[np.int64], several: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count clusters by their first rows."""
    cluster = np.full(len(root), -1)
    _, first, inverse = np.unique(root[several], return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    cluster[several] = rank[inverse]
    return cluster


def _differs(root: NDArray[np.int64], given: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether there is another label in the row's component."""
    low, high = np.full(len(root), np.iinfo(np.int64).max), np.full(len(root), np.iinfo(np.int64).min)
    np.minimum.at(low, root, given)
    np.maximum.at(high, root, given)
    differs: NDArray[np.bool_] = (low != high)[root]
    return differs


def _link_near(descriptors: NDArray[np.int16], rows: NDArray[np.intp], linked: Components) -> None:
    """Link images, whose descriptors are in ``rows``, that are close and share a cell."""
    for table in range(TABLES):
        key, place = _in_blocks(descriptors, rows, table)
        # Images come in the order of their hashes, and the sort is stable: the order of the rows plays no part.
        order = np.lexsort((place, key))
        key = key[order]
        for offset in range(1, _WINDOW + 1):
            left = np.flatnonzero(key[offset:] == key[:-offset])
            if not len(left):
                break
            for start in range(0, len(left), _PAIRS):
                a, b = order[left[start : start + _PAIRS]], order[left[start : start + _PAIRS] + offset]
                apart = linked.find(a) != linked.find(b)
                a, b = a[apart], b[apart]
                close = _are_near(descriptors[rows[a]], descriptors[rows[b]])
                linked.link(a[close], b[close])


def _in_blocks(
    descriptors: NDArray[np.int16], rows: NDArray[np.intp], table: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Each image's cell in a table, and a coordinate by which close ones come one after the other within it."""
    blocks = (descriptors[rows[start : start + _ROWS]] for start in range(0, len(rows), _ROWS))
    keys, places = zip(*((cells(block, table), block.sum(axis=1, dtype=np.int64)) for block in blocks), strict=True)
    return np.concatenate(keys), np.concatenate(places)


def _are_near(a: NDArray[np.int16], b: NDArray[np.int16]) -> NDArray[np.bool_]:
    difference = a.astype(np.int64) - b
    near: NDArray[np.bool_] = np.einsum("ij,ij->i", difference, difference) <= NEAR**2
    return near
