"""Is an image like anything the model was trained on? Mahalanobis distance in the embedding (Lee et al. 2018)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

ALARM_RATE = 0.01
"""Share of ordinary held-out images that the threshold lets be called outliers."""


@dataclass(frozen=True)
class EmbeddingStatistics:
    """Class means and one shared whitening of the embedding, and the distance from which an image is an outlier.

    ``means`` is ``[K, D]`` and ``whitening`` ``[D, D]``, float32; whitened embeddings are ``(e - mean) @ whitening``.
    """

    means: NDArray[np.float32]
    whitening: NDArray[np.float32]
    threshold: float

    @classmethod
    def fit(cls, embeddings: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> Self:
        """Fit on held-out images: ``[N, D]`` embeddings and ``[N]`` classes, at least two images of every class.

        Half of every class gives the means and the covariance, the other half the threshold (its ``1 - ALARM_RATE``
        quantile).
        """
        if np.bincount(labels, minlength=classes).min() < 2:
            raise ValueError("embedding statistics need at least two images of every class")
        embeddings = np.asarray(embeddings, dtype=np.float64)
        by_class = np.argsort(labels, kind="stable")
        fit, rest = embeddings[by_class[::2]], embeddings[by_class[1::2]]
        fit_labels = labels[by_class[::2]]
        means = np.stack([fit[fit_labels == k].mean(axis=0) for k in range(classes)])
        residuals = fit - means[fit_labels]
        covariance = residuals.T @ residuals / len(fit)
        # A small ridge: directions that ordinary images hardly use must not dominate the distance by rounding alone.
        covariance += 1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        values, vectors = np.linalg.eigh(covariance)
        unfitted = cls(means.astype(np.float32), (vectors / np.sqrt(values)).astype(np.float32), 0.0)
        return cls(unfitted.means, unfitted.whitening, float(np.quantile(unfitted.distance(rest), 1 - ALARM_RATE)))

    @classmethod
    def unfitted(cls, size: int) -> Self:
        """Statistics of a D-dimensional embedding that nobody has fitted: by them no image is an outlier."""
        return cls(np.zeros((1, size), np.float32), np.zeros((size, 0), np.float32), np.inf)

    def distance(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Distance to the nearest class mean: ``[N, D]`` to ``[N]``."""
        points = np.asarray(embeddings, dtype=np.float32) @ self.whitening
        centres = self.means @ self.whitening
        squared = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
        nearest: NDArray[np.float32] = np.sqrt(np.maximum(squared.min(axis=1), 0))
        return nearest

    def is_outlier(self, embeddings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether each image is farther from every class than ordinary images are: ``[N, D]`` to ``[N]`` bool."""
        return ~(self.distance(embeddings) <= self.threshold)  # so that NaN is an outlier too

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file (plain arrays, no pickles)."""
        np.savez(path, means=self.means, whitening=self.whitening, threshold=np.float64(self.threshold))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["means"], arrays["whitening"], float(arrays["threshold"]))
