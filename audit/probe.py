"""A probe: a shrunk linear discriminant on embeddings, cross-validated on the very labels that are audited.

It is fitted from sums (class counts, class sums, one Gram matrix a fold) that add up over chunks, so that it streams
and any number of rows fits. Each row is judged by the discriminant that was fitted without the row's fold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.sample import row_hash

FOLDS = 5
SHRINKAGES = (0.001, 0.01, 0.05, 0.2, 0.5)
"""Weight of a sphere in the covariance."""


def fold_of(rows: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the fold ``[n]`` of each row number: by hash, however the file is ordered or cut."""
    return (row_hash(rows) >> np.uint64(7)).astype(np.intp) % FOLDS


@dataclass(frozen=True)
class ProbeSums:
    """Sums over rows, fold by fold; ``a + b`` is that of both."""

    counts: NDArray[np.float64]
    """``[F, K]``."""
    sums: NDArray[np.float64]
    """``[F, K, D]``."""
    gram: NDArray[np.float64]
    """``[F, D, D]``."""

    @classmethod
    def of(
        cls, embeddings: NDArray[np.floating], labels: NDArray[np.intp], rows: NDArray[np.int64], classes: int
    ) -> Self:
        """Sum up rows: embeddings ``[n, D]``, labels ``[n]``, row numbers ``[n]``."""
        D = embeddings.shape[1]
        folds = fold_of(rows)
        counts, sums, gram = np.zeros((FOLDS, classes)), np.zeros((FOLDS, classes, D)), np.zeros((FOLDS, D, D))
        for fold in range(FOLDS):
            inside = folds == fold
            points = embeddings[inside].astype(np.float64)
            counts[fold] = np.bincount(labels[inside], minlength=classes)
            np.add.at(sums[fold], labels[inside], points)
            gram[fold] = points.T @ points
        return cls(counts, sums, gram)

    def __add__(self, other: Self) -> Self:
        return type(self)(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


@dataclass(frozen=True)
class Probe:
    """One linear discriminant for each fold, fitted on the others."""

    weights: NDArray[np.float64]
    """``[F, D, K]``."""
    biases: NDArray[np.float64]
    """``[F, K]``."""

    @classmethod
    def fit(cls, sums: ProbeSums, shrinkage: float = 0.05) -> Self:
        """Fit on the sums of all chunks."""
        weights, biases = [], []
        for fold in range(FOLDS):
            rest = np.arange(FOLDS) != fold
            counts, total, gram = sums.counts[rest].sum(0), sums.sums[rest].sum(0), sums.gram[rest].sum(0)
            n, D = counts.sum(), total.shape[1]
            means = (total + total.sum(0) / n) / (counts[:, None] + 1)  # a class with no rows lies at the centre
            within = (gram - np.einsum("kd,ke,k->de", means, means, counts)) / n
            sphere = np.trace(within) / D
            covariance = (1 - shrinkage) * within + (shrinkage * sphere + 1e-9) * np.eye(D)
            weight = np.linalg.solve(covariance, means.T)
            weights.append(weight)
            biases.append(np.log((counts + 1) / (n + len(counts))) - 0.5 * np.einsum("kd,dk->k", means, weight))
        return cls(np.stack(weights), np.stack(biases))

    def probabilities(self, embeddings: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """P(label | image) ``[n, K]``, each row by the discriminant that has not seen its fold."""
        folds = fold_of(rows)
        logits = np.empty((len(rows), self.biases.shape[1]))
        for fold in range(FOLDS):
            inside = folds == fold
            logits[inside] = embeddings[inside] @ self.weights[fold] + self.biases[fold]
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays."""
        return {"weights": self.weights, "biases": self.biases}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read what ``to_arrays`` gave."""
        return cls(arrays["weights"], arrays["biases"])
