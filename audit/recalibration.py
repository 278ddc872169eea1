"""What the model's probabilities say of *these* images: corrected for class shares and for the model's own confusion.

Two corrections, both without looking at a given label, so that wrong labels can't bend them:

- Class shares. If the model's predictions are spread unlike those on its validation data (a chi-squared test), the
  upload's class prior is the maximum-likelihood one of Saerens et al. (2002); else it is the model's own. An estimate
  where there is no shift would only add noise.
- Confusion. Among the rows that the model predicts as one class, its probabilities promise certain shares of true
  classes; the confusion counts on clean validation data say which shares there really were. Each probability is
  multiplied with the ratio of the two until they agree (iterative proportional fitting on ``[true, predicted]``).
  A temperature can't mend that a model trained on noisy labels leans to one class of a pair; this does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.evidence import LEAST_PROBABILITY, Evidence

SHIFT_QUANTILE = 3.09  # standard normal: one upload in a thousand without a shift is taken for one with a shift
SMOOTHING_COUNTS = 10.0  # so many images of a cell, of validation or upload, weigh as much as the model's promise
ROUNDS = 4
MOST_ITERATIONS = 200
TOLERANCE = 1e-6
HARDER = 0.03  # by which the model may be less sure of these images than it was right on the validation images


@dataclass(frozen=True)
class Recalibration:
    """Fitted on a sample of an upload; ``apply`` works row by row. K classes."""

    prior: NDArray[np.float64]
    """``[K]``, sums to 1: the share of each true class in the upload."""
    prior_ratio: NDArray[np.float64]
    """``[K]``: ``prior`` over the model's own."""
    factors: NDArray[np.float64]
    """``[predicted, true]``: what a row's probabilities are multiplied with, by the class it is predicted as."""
    sureness: float
    """Mean largest probability on the sample, as the model gave it."""
    promised: float
    """The accuracy on the validation data, with the upload's class shares; NaN without validation counts."""

    @property
    def is_shifted(self) -> bool:
        """Whether these images are harder for the model than its validation images: then their counts mean little."""
        return bool(self.sureness < self.promised - HARDER)

    def apply(
        self, probabilities: NDArray[np.floating], predicted: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Correct ``[n, K]`` probabilities; the rows sum to 1, no entry is 0. ``predicted`` is their argmax."""
        corrected: NDArray[np.float64] = np.maximum(probabilities, LEAST_PROBABILITY).astype(np.float64, copy=False)
        if self._corrects_confusion:
            corrected *= self.factors[probabilities.argmax(axis=1) if predicted is None else predicted]
        corrected *= self.prior_ratio
        corrected /= corrected.sum(axis=1, keepdims=True)
        return corrected

    @cached_property
    def _corrects_confusion(self) -> bool:
        return bool((self.factors != 1).any())

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays, from which ``from_arrays`` makes the same again."""
        scalars = {"sureness": np.array(self.sureness), "promised": np.array(self.promised)}
        return {"prior": self.prior, "prior_ratio": self.prior_ratio, "factors": self.factors} | scalars

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """Read what ``to_arrays`` gave."""
        values = {name: arrays[name] for name in ("prior", "prior_ratio", "factors")}
        return cls(**values, sureness=float(arrays["sureness"]), promised=float(arrays["promised"]))


def fit_recalibration(evidence: Evidence) -> Recalibration:
    """Fit to the images of ``evidence``; without validation counts only the class shares can be corrected."""
    p, counts, K = evidence.probabilities, evidence.validation_counts, len(evidence.model_prior)
    predicted = p.argmax(axis=1)
    sureness = float(p.max(axis=1).mean())
    prior = evidence.model_prior
    if counts is None:
        prior = shifted_prior(p, prior)
        return Recalibration(prior, prior / evidence.model_prior, np.ones((K, K)), sureness, float("nan"))
    if shares_differ(np.bincount(predicted, minlength=K), counts.sum(axis=0)):
        prior = shifted_prior(p, evidence.model_prior)
    ratio = prior / evidence.model_prior
    expected = counts * ratio[:, None]
    promised = float(expected.trace() / expected.sum())
    fitted = Recalibration(prior, ratio, np.ones((K, K)), sureness, promised)
    if fitted.is_shifted:
        return fitted
    return Recalibration(prior, ratio, confusion_factors(p * ratio, predicted, expected), sureness, promised)


def shares_differ(here: NDArray[np.integer], there: NDArray[np.floating]) -> bool:
    """Whether two vectors of counts ``[K]`` are no samples of one distribution (chi-squared, Wilson and Hilferty)."""
    n, m = here.sum(), there.sum()
    common = (here + there) / (n + m)
    used = common > 0
    common = common[used]
    statistic = ((here[used] - n * common) ** 2 / (n * common)).sum()
    statistic += ((there[used] - m * common) ** 2 / (m * common)).sum()
    freedom = max(int(used.sum()) - 1, 1)
    normal = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / np.sqrt(2 / (9 * freedom))
    return bool(normal > SHIFT_QUANTILE)


def shifted_prior(probabilities: NDArray[np.floating], model_prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Class shares ``[K]`` by EM on unlabelled images (Saerens et al. 2002), a row a class drawn from the model's."""
    K, n = len(model_prior), len(probabilities)
    probabilities = probabilities.astype(np.float64, copy=False)
    prior = model_prior
    for _ in range(MOST_ITERATIONS):
        weight = prior / model_prior
        sums = weight * ((1 / np.maximum(probabilities @ weight, LEAST_PROBABILITY)) @ probabilities)
        updated = (sums + K * model_prior) / (n + K)
        moved = np.abs(updated - prior).max()
        prior = updated
        if moved < TOLERANCE:
            break
    return prior


def smoothing_of(counts: NDArray[np.float64], rows: int) -> float:
    """Return the counts that weigh as much as the model's promise, which itself is a sum over so many rows only."""
    return SMOOTHING_COUNTS * max(1.0, float(counts.sum()) / rows)


def confusion_factors(
    weights: NDArray[np.floating], predicted: NDArray[np.intp], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``[predicted, true]`` by which ``weights`` ``[n, K]``, rows normalised, sum up to ``counts``' shares.

    ``counts`` is ``[true, predicted]``. Cells with few validation images stay near the model's own promise.
    """
    K = len(counts)
    order = np.argsort(predicted, kind="stable")
    bounds = np.searchsorted(predicted[order], np.arange(K + 1))
    weights = weights[order]
    scale = counts.sum() / len(weights)
    smoothing = smoothing_of(counts, len(weights))
    factors = np.ones((K, K))
    for k in np.flatnonzero(np.diff(bounds)):
        rows = weights[bounds[k] : bounds[k + 1]]
        for _ in range(ROUNDS):
            promised = factors[k] * ((1 / (rows @ factors[k])) @ rows) * scale
            factors[k] *= (counts[:, k] + smoothing) / (promised + smoothing)
    return factors
