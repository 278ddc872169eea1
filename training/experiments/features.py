"""Features of test images, what a network makes of them before its last layer; and how near look-alikes are by them."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.groups import SimilarityGroups
from training.checkpoint import write_whole


@dataclass(frozen=True, eq=False)
class Features:
    """Those of some test images by one trained network."""

    embeddings: NDArray[np.float32]
    """``[n, D]``"""
    labels: NDArray[np.int64]
    """True classes ``[n]``."""
    accuracy: float
    """On the whole test split, a share."""

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file, whole or not at all."""
        content = io.BytesIO()
        np.savez(content, embeddings=self.embeddings, labels=self.labels, accuracy=self.accuracy)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Features":
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["embeddings"], arrays["labels"], float(arrays["accuracy"]))


def group_distances(
    embeddings: NDArray[np.floating], labels: NDArray[np.integer], groups: SimilarityGroups
) -> dict[str, float]:
    """How far apart the classes of each group lie, as a share of how far they lie from classes of other groups.

    Distances are Euclidean, between the classes' mean embeddings; 1 means that look-alikes are no nearer than others.
    Groups, by their classes' names, are those of two classes or more; each class has a sample ``[n, D]``, ``[n]``.
    """
    means = np.stack([embeddings[labels == k].mean(axis=0) for k in range(len(groups.classes))]).astype(np.float64)
    apart = np.linalg.norm(means[:, None] - means, axis=2)
    distances = {}
    for group in map(np.array, groups.distinct()):
        if len(group) > 1:
            others = np.setdiff1d(np.arange(len(means)), group)
            inside = apart[np.ix_(group, group)].sum() / (len(group) * (len(group) - 1))
            name = ", ".join(groups.classes[k] for k in group)
            distances[name] = float(inside / apart[np.ix_(group, others)].mean())
    return distances
