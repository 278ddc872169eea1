"""Is an image like anything the model was trained on? Mahalanobis distance in the embedding (Lee et al. 2018).

An embedding is taken apart into its direction and its length: strange images are told by the direction, which
differences in length would drown (Mueller and Hein 2025, "Mahalanobis++").
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

ALARM_RATE = 0.01
"""Share of ordinary held-out images that the threshold lets be called outliers."""
_RIDGE = 0.1
"""Added to every variance, as a share of their mean: directions that ordinary images hardly use must not rule."""


@dataclass(frozen=True)
class EmbeddingStatistics:
    """Class means and one shared whitening of the embedding, and the distance from which an image is an outlier.

    If ``polar``, they are those of the D numbers of ``e / |e|`` and of ``log |e|``: ``means`` is ``[K, D + 1]`` and
    ``whitening`` ``[D + 1, D + 1]``. Else, as in artifacts of schema 1 and 2, of the embedding ``e`` itself: ``[K, D]``
    and ``[D, D]``. Both are float32; what is whitened is ``(x - mean) @ whitening``.
    """

    means: NDArray[np.float32]
    whitening: NDArray[np.float32]
    threshold: float
    polar: bool = False

    @classmethod
    def fit(cls, embeddings: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> Self:
        """Fit on held-out images: ``[N, D]`` embeddings and ``[N]`` classes, at least two images of every class.

        Half of every class gives the means and the covariance, the other half the threshold (its ``1 - ALARM_RATE``
        quantile).
        """
        if np.bincount(labels, minlength=classes).min() < 2:
            raise ValueError("embedding statistics need at least two images of every class")
        by_class = np.argsort(labels, kind="stable")
        fit, rest = _polar(np.asarray(embeddings, dtype=np.float64)[by_class[::2]]), embeddings[by_class[1::2]]
        fit_labels = labels[by_class[::2]]
        means = np.stack([fit[fit_labels == k].mean(axis=0) for k in range(classes)])
        residuals = fit - means[fit_labels]
        covariance = residuals.T @ residuals / len(fit)
        covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        values, vectors = np.linalg.eigh(covariance)
        fitted = cls(means.astype(np.float32), (vectors / np.sqrt(values)).astype(np.float32), 0.0, polar=True)
        return replace(fitted, threshold=float(np.quantile(fitted.distance(rest), 1 - ALARM_RATE)))

    @classmethod
    def unfitted(cls, size: int) -> Self:
        """Statistics of a D-dimensional embedding that nobody has fitted: by them no image is an outlier."""
        return cls(np.zeros((1, size), np.float32), np.zeros((size, 0), np.float32), np.inf)

    @cached_property
    def _centres(self) -> NDArray[np.float32]:
        return self.means @ self.whitening

    def distance(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """Distance to the nearest class mean: ``[N, D]`` to ``[N]``."""
        embeddings = np.asarray(embeddings, dtype=np.float32)
        points = (_polar(embeddings) if self.polar else embeddings) @ self.whitening
        centres = self._centres
        squared = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
        nearest: NDArray[np.float32] = np.sqrt(np.maximum(squared.min(axis=1), 0))
        return nearest

    def is_outlier(self, embeddings: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether each image is farther from every class than ordinary images are: ``[N, D]`` to ``[N]`` bool."""
        return ~(self.distance(embeddings) <= self.threshold)  # so that NaN is an outlier too

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file (plain arrays, no pickles)."""
        threshold, polar = np.float64(self.threshold), np.bool_(self.polar)
        np.savez(path, means=self.means, whitening=self.whitening, threshold=threshold, polar=polar)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            polar = "polar" in arrays and bool(arrays["polar"])
            return cls(arrays["means"], arrays["whitening"], float(arrays["threshold"]), polar)


def _polar(embeddings: NDArray[np.floating]) -> NDArray[np.floating]:
    """Direction and logarithm of the length: ``[N, D]`` to ``[N, D + 1]``."""
    # An embedding of nothing but zeros has no direction, and is far from all that have one.
    length = np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), np.finfo(embeddings.dtype).tiny)
    return np.concatenate([embeddings / length, np.log(length)], axis=1)
