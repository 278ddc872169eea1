"""What an audit starts from: the model's probabilities, the labels given, and what else is known about them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.groups import SimilarityGroups

PROBABILITY_SUM_TOLERANCE = 0.01  # a row's scale cancels in every answer, so columns rounded for a file are welcome
LEAST_PROBABILITY = 1e-30  # a class that the model rules out is still possible


@dataclass(frozen=True)
class Evidence:
    """Checked input of an audit with ``reference`` evidence: n scored rows, K classes.

    The model was not trained on these labels and its probabilities are calibrated on images like these.
    """

    probabilities: NDArray[np.floating]
    """``[n, K]``, each row sums to 1."""
    given: NDArray[np.intp]
    """``[n]``, the label in the file, a class index."""
    groups: SimilarityGroups
    model_prior: NDArray[np.float64]
    """``[K]``, sums to 1: the share of each class in the data the model was calibrated on."""
    validation_counts: NDArray[np.float64] | None
    """``[true, predicted]``, the model's confusion counts on clean validation data."""
    trusted: NDArray[np.bool_]
    """``[n]``, the given label of this row was verified: it is the truth."""
    original: NDArray[np.intp]
    """``[n]``, what a trusted row said before it was verified; -1 where that isn't known."""

    @classmethod
    def checked(
        cls,
        probabilities: ArrayLike,
        given: ArrayLike,
        groups: SimilarityGroups,
        *,
        model_prior: ArrayLike | None = None,
        validation_counts: ArrayLike | None = None,
        trusted: ArrayLike | None = None,
        original: ArrayLike | None = None,
    ) -> Self:
        """Check shapes and ranges; raises ``ValueError`` saying which input is wrong and where.

        ``model_prior`` is normalised; without it the classes are taken as balanced.
        """
        p = np.asarray(probabilities)
        if p.dtype not in (np.float32, np.float64):
            p = p.astype(np.float64)
        K = len(groups.classes)
        if p.ndim != 2 or p.shape[1] != K:
            raise ValueError(f"probabilities must have shape [n, {K}] for the {K} classes, not {list(p.shape)}")
        n = len(p)
        if n == 0:
            raise ValueError("there is no row to audit")
        if K < 2:
            raise ValueError("an audit needs at least two classes")
        _check_probabilities(p)
        return cls(
            probabilities=p,
            given=_labels("given", given, n, 0, K),
            groups=groups,
            model_prior=_prior(model_prior, K),
            validation_counts=_counts(validation_counts, K),
            trusted=_mask("trusted", trusted, n),
            original=np.full(n, -1) if original is None else _labels("original", original, n, -1, K),
        )


def _check_probabilities(p: NDArray[np.floating]) -> None:
    sums = p.sum(axis=1, dtype=np.float64)
    if not np.isfinite(sums).all():
        raise ValueError(f"probabilities: row {np.flatnonzero(~np.isfinite(sums))[0]} holds NaN or infinity")
    if p.min() < 0:
        raise ValueError(f"probabilities: row {np.flatnonzero(p.min(axis=1) < 0)[0]} holds a negative number")
    off = np.abs(sums - 1) > PROBABILITY_SUM_TOLERANCE
    if off.any():
        row = np.flatnonzero(off)[0]
        raise ValueError(f"probabilities: row {row} sums to {sums[row]:.4g}, not to 1")


def _labels(name: str, values: ArrayLike, n: int, low: int, K: int) -> NDArray[np.intp]:
    labels = np.asarray(values)
    if labels.shape != (n,):
        raise ValueError(f"{name} must have shape [{n}], one label a row, not {list(labels.shape)}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{name} must hold class indices (integers), not {labels.dtype}")
    outside = (labels < low) | (labels >= K)
    if outside.any():
        row = np.flatnonzero(outside)[0]
        raise ValueError(f"{name}: row {row} has label {labels[row]}, not in {low}..{K - 1}")
    return labels.astype(np.intp)


def _mask(name: str, values: ArrayLike | None, n: int) -> NDArray[np.bool_]:
    mask = np.zeros(n, dtype=bool) if values is None else np.asarray(values)
    if mask.shape != (n,) or mask.dtype != np.bool_:
        raise ValueError(f"{name} must be {n} booleans, one a row")
    return mask


def _prior(values: ArrayLike | None, K: int) -> NDArray[np.float64]:
    prior = np.ones(K) if values is None else np.array(values, dtype=np.float64)
    if prior.shape != (K,) or not np.isfinite(prior).all() or prior.min() <= 0:
        raise ValueError(f"model_prior must be {K} positive numbers, one a class")
    prior /= prior.sum()
    return prior


def _counts(values: ArrayLike | None, K: int) -> NDArray[np.float64] | None:
    if values is None:
        return None
    counts = np.asarray(values, dtype=np.float64)
    if counts.shape != (K, K) or not np.isfinite(counts).all() or counts.min() < 0 or counts.sum() == 0:
        raise ValueError(f"validation_counts must be {K} x {K} counts [true, predicted], not all zero")
    return counts
