"""Classes that no model knows: a linear discriminant, cross-validated on the very labels that are audited.

Given embeddings of the images, by the served model, by an imported encoder or by several side by side, the probe
learns the labels themselves, noise included, and predicts each row out of sample. All it needs to know of the rows are
sums: of each class its count and its sum of embeddings, and one Gram matrix, for each of five folds. Sums of chunks add
up, so a data set of any size goes through once; the model without a fold is made from the sums of the others.

A linear discriminant bears wrong labels well: within a pair of look-alikes they shorten the distance of the two means
and widen the scatter along it, which changes the scale of the logits between the two and hardly their direction.
``audit/cross_validated.py`` mends the scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.sample import row_hash
from audit.unnoising import softmax

FOLDS = 5
SHRINKAGES = (1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.3, 0.9)
"""Shares of the scatter that are replaced by its mean on the diagonal: the best for held-out folds is taken."""
SHARPNESS_GRID = tuple(0.8**step for step in range(24))
LEAST_VARIANCE = 1e-12


def fold_of(rows: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the fold of each row number ``[n]``: a hash, however the file is cut."""
    # Not the bits that audit/sample.py chooses by: a fold has its share of every sample.
    return (row_hash(row_hash(rows)) % np.uint64(FOLDS)).astype(np.intp)


@dataclass(frozen=True)
class ProbeSums:
    """What the probe knows of the rows: float64 sums for each of F folds; K classes, embeddings of D numbers."""

    counts: NDArray[np.float64]
    """``[F, K]``: rows of each label."""
    sums: NDArray[np.float64]
    """``[F, K, D]``: of their embeddings."""
    gram: NDArray[np.float64]
    """``[F, D, D]``: of the products of each embedding with itself."""

    @classmethod
    def of(
        cls, embeddings: NDArray[np.floating], labels: NDArray[np.integer], rows: NDArray[np.integer], classes: int
    ) -> Self:
        """Sum up a chunk: embeddings ``[n, D]``, labels and row numbers ``[n]``."""
        D = embeddings.shape[1]
        fold = fold_of(rows)
        counts, sums, gram = np.zeros((FOLDS, classes)), np.zeros((FOLDS, classes, D)), np.zeros((FOLDS, D, D))
        for f in range(FOLDS):
            of_fold = np.flatnonzero(fold == f)
            x = embeddings[of_fold].astype(np.float64)
            gram[f] = x.T @ x
            order = np.argsort(labels[of_fold], kind="stable")
            present, first, count = np.unique(labels[of_fold][order], return_index=True, return_counts=True)
            if len(present):
                counts[f, present] = count
                sums[f, present] = np.add.reduceat(x[order], first, axis=0)
        return cls(counts, sums, gram)

    def __add__(self, other: "ProbeSums") -> "ProbeSums":
        return ProbeSums(self.counts + other.counts, self.sums + other.sums, self.gram + other.gram)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays, from which ``from_arrays`` makes the same again."""
        return {"counts": self.counts, "sums": self.sums, "gram": self.gram}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """Read what ``to_arrays`` gave."""
        return cls(arrays["counts"], arrays["sums"], arrays["gram"])


@dataclass(frozen=True)
class Probe:
    """A linear discriminant for each fold, fitted without it: logits ``(x * scale) @ weights[f] + bias[f]``."""

    scale: NDArray[np.float64]
    """``[D]``: one over the standard deviation; encoders side by side count alike whatever their unit."""
    weights: NDArray[np.float64]
    """``[F, D, K]``."""
    bias: NDArray[np.float64]
    """``[F, K]``."""
    shrinkage: float
    sharpness: float
    """What the logits are multiplied with, so that probabilities of the label are as sure as they are right."""

    @classmethod
    def fit(cls, sums: ProbeSums, shrinkage: float | None = None) -> Self:
        """Fit to the sums of all chunks; ``shrinkage`` is chosen on held-out folds if absent.

        ``sharpness`` stays 1 until ``calibrated``. Time: one D x D eigendecomposition a fold.
        Raises ``ValueError`` where there is no row.
        """
        if sums.counts.sum() == 0:
            raise ValueError("there is no row to fit the probe to")
        scale = _scale(sums)
        scaled = ProbeSums(sums.counts, sums.sums * scale, sums.gram * scale[:, None] * scale)
        folds = [_Scatter.without(scaled, f) for f in range(FOLDS)]
        if shrinkage is None:
            losses = [sum(fold.held_out_loss(s, scaled, f) for f, fold in enumerate(folds)) for s in SHRINKAGES]
            shrinkage = SHRINKAGES[int(np.argmin(losses))]
        solved = [fold.discriminant(shrinkage) for fold in folds]
        return cls(scale, np.stack([w for w, _ in solved]), np.stack([b for _, b in solved]), shrinkage, 1.0)

    def logits(self, embeddings: NDArray[np.floating], rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return logits ``[n, K]`` of the label of each row, by the model that never saw its fold."""
        fold = fold_of(rows)
        logits = np.empty((len(embeddings), self.bias.shape[1]))
        for f in range(FOLDS):
            of_fold = np.flatnonzero(fold == f)
            logits[of_fold] = (embeddings[of_fold] * self.scale) @ self.weights[f] + self.bias[f]
        logits *= self.sharpness
        return logits

    def probabilities(self, embeddings: NDArray[np.floating], rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return P(label | image) ``[n, K]``, out of sample: embeddings ``[n, D]``, row numbers ``[n]``."""
        return softmax(self.logits(embeddings, rows))

    def calibrated(self, logits: NDArray[np.float64], labels: NDArray[np.integer]) -> Self:
        """Return the probe with the sharpness that explains ``labels`` ``[n]`` best, by its out-of-sample ``logits``.

        Against noisy labels that makes it as unsure of a label as labels are wrong: right for P(label | image).
        """
        losses = [_cross_entropy(logits * sharpness, labels) for sharpness in SHARPNESS_GRID]
        best = SHARPNESS_GRID[int(np.argmin(losses))]
        return type(self)(self.scale, self.weights, self.bias, self.shrinkage, self.sharpness * best)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays, from which ``from_arrays`` makes the same again."""
        arrays = {"scale": self.scale, "weights": self.weights, "bias": self.bias}
        return arrays | {"shrinkage": np.array(self.shrinkage), "sharpness": np.array(self.sharpness)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """Read what ``to_arrays`` gave."""
        values = {name: arrays[name] for name in ("scale", "weights", "bias")}
        return cls(**values, shrinkage=float(arrays["shrinkage"]), sharpness=float(arrays["sharpness"]))


@dataclass(frozen=True)
class _Scatter:
    """The rows without one fold: class counts, means, and the scatter within classes along its own axes."""

    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    """``[K, D]``; a class without rows has the mean of all."""
    values: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def without(cls, folds: ProbeSums, f: int) -> Self:
        # Summed, not subtracted from the whole: a row's own label leaves no trace, not even by rounding.
        others = [other for other in range(FOLDS) if other != f]
        counts, sums, gram = (part[others].sum(axis=0) for part in (folds.counts, folds.sums, folds.gram))
        n = max(counts.sum(), 1.0)
        centre = sums.sum(axis=0) / n
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1.0)[:, None], centre)
        scatter = (gram - sums.T @ means) / n
        values, axes = np.linalg.eigh((scatter + scatter.T) / 2)
        return cls(counts, means, np.maximum(values, 0.0), axes)

    def discriminant(self, shrinkage: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights ``[D, K]`` and bias ``[K]``; a class is as likely as it is frequent, plus one row."""
        level = max(float(self.values.mean()), LEAST_VARIANCE)
        values = (1 - shrinkage) * self.values + shrinkage * level
        weights = (self.axes / values) @ (self.axes.T @ self.means.T)
        frequency = (self.counts + 1) / (self.counts.sum() + len(self.counts))
        bias: NDArray[np.float64] = np.log(frequency) - 0.5 * np.einsum("kd,dk->k", self.means, weights)
        return weights, bias

    def held_out_loss(self, shrinkage: float, folds: ProbeSums, f: int) -> float:
        """Squared error of the best linear guess of the held-out labels from the logits, from sums alone."""
        weights, _ = self.discriminant(shrinkage)
        n = max(folds.counts[f].sum(), 1.0)
        total = self.counts.sum()
        centre = self.counts @ self.means / max(total, 1.0)
        mixed = weights - weights @ (self.counts / max(total, 1.0))[:, None]  # logits, less their mean over classes
        between = (self.means - centre).T * self.counts @ (self.means - centre) / max(total, 1.0)
        within = (self.axes * self.values) @ self.axes.T
        moment = mixed.T @ (within + between) @ mixed
        cross = mixed.T @ ((self.means - centre).T * self.counts) / max(total, 1.0)  # with the labels, [K, K]
        ridge = LEAST_VARIANCE + 1e-6 * np.trace(moment) / len(moment)
        guess = mixed @ np.linalg.solve(moment + ridge * np.eye(len(moment)), cross)
        sums = folds.sums[f] - folds.counts[f][:, None] * centre
        whole = folds.sums[f].sum(axis=0)
        gram = folds.gram[f] - np.outer(whole, centre) - np.outer(centre, whole) + n * np.outer(centre, centre)
        share = self.counts / max(total, 1.0)
        off = sums.T - np.outer(sums.sum(axis=0), share)  # embeddings times (label - share), [D, K]
        return float(np.einsum("dk,de,ek->", guess, gram, guess) - 2 * np.einsum("dk,dk->", guess, off))


def _scale(sums: ProbeSums) -> NDArray[np.float64]:
    n = sums.counts.sum()
    mean = sums.sums.sum(axis=(0, 1)) / n
    variance = np.einsum("fdd->d", sums.gram) / n - mean**2
    scale: NDArray[np.float64] = 1 / np.sqrt(np.maximum(variance, LEAST_VARIANCE + 1e-9 * mean**2))
    return scale


def _cross_entropy(logits: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    peak = logits.max(axis=1)
    total = np.log(np.exp(logits - peak[:, None]).sum(axis=1)) + peak
    return float((total - logits[np.arange(len(labels)), labels]).mean())
