"""Fit the noise model of an upload by expectation-maximisation, and choose how much of it the labels ask for.

A row's true class y has probability pi[y], the model's recalibrated answer (``audit/recalibration.py``); the given
labels, and they alone, fit the rest (Dawid and Skene 1979 with a classifier's posterior in place of the annotators):
the transition matrix, of one of the two families of ``audit/transition.py``, and the weight of an annotator who errs
where images are hard. Labels that are wrong everywhere alike ask for little; each further part must pay for itself:
its gain in log likelihood must exceed what its parameters cost (the Bayesian information criterion) and an effect
that matters, a share of the rows, for with enough rows any misfit would pass for noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.evidence import Evidence
from audit.noise_model import NoiseModel, annotator
from audit.recalibration import Recalibration, fit_recalibration
from audit.transition import (
    Family,
    confusable_pairs,
    first_transition,
    grouped_transition,
    parameters,
    standout_pairs,
    uniform_transition,
)

SHARPNESS = 0.5
OTHER_SHARPNESS = (0.4, 0.6)
LEAST_GAIN_SHARPNESS = 0.001  # nats a row: the annotator is half as sharp as the model unless the labels insist
LEAST_GAIN_ANNOTATOR = 0.001
LEAST_GAIN_GROUPED_WITH_ANNOTATOR = 0.01  # annotators confuse look-alikes anyway: groups must explain much more
TOLERANCE = 1e-7  # of the log likelihood a row
MOST_ITERATIONS = 200
MOST_ROUNDS = 10  # of looking for pairs that stand out
NEWTON_STEPS = 3
FIRST_WEIGHT = 0.1


@dataclass(frozen=True)
class _Sorted:
    """The rows that are not trusted, in the order of their given label: pi ``[n, K]``, sorted ``given``."""

    pi: NDArray[np.float64]
    given: NDArray[np.intp]
    bounds: NDArray[np.intp]


@dataclass(frozen=True)
class _Fit:
    """One candidate at its maximum."""

    family: Family
    free: NDArray[np.bool_]
    transition: NDArray[np.float64]
    weight: float
    weight_error: float
    sharpness: float
    annotated: bool
    """Whether it has an annotator at all."""
    rate: float
    """Expected share of wrong labels among the rows."""
    log_likelihood: float
    cost: float
    """What must be gained for it in log likelihood."""

    @property
    def merit(self) -> float:
        return self.log_likelihood - self.cost


def fit_noise_model(evidence: Evidence) -> NoiseModel:
    """Fit to the rows that are not trusted; deterministic. Memory: two copies of the probabilities, a few K x K arrays.

    Trusted rows tell the transition where their original label is known. Without that they tell nothing about how
    often labels are wrong: a label that was verified, or corrected, is right.
    """
    recalibration = fit_recalibration(evidence)
    known = _known_pairs(evidence)
    free = confusable_pairs(evidence.groups.membership)
    if evidence.trusted.all():
        return _without_noise(recalibration, grouped_transition(known, free))
    rows = _sort_by_given(recalibration.apply(evidence.probabilities[~evidence.trusted]), evidence)
    plain = [_fit(rows, family, free, known, None) for family in ("uniform", "grouped")]
    tempered = [_fit(rows, family, free, known, SHARPNESS) for family in ("uniform", "grouped")]
    best = max(plain + tempered, key=lambda fit: fit.merit)
    others: tuple[float, ...] = ()
    if best.annotated:
        other = [_fit(rows, best.family, best.free, known, sharpness) for sharpness in OTHER_SHARPNESS]
        others = tuple(fit.rate for fit in (best, *other))
        best = max((best, *other), key=lambda fit: fit.merit)
    unseen = max(tempered, key=lambda fit: fit.merit)
    return NoiseModel(
        recalibration=recalibration,
        transition=best.transition,
        weight=best.weight,
        weight_error=best.weight_error if best.annotated else unseen.weight_error,
        sharpness=best.sharpness,
        standouts=best.free & ~free,
        other_rates=others,
        log_likelihood=best.log_likelihood,
    )


def _without_noise(recalibration: Recalibration, transition: NDArray[np.float64]) -> NoiseModel:
    """All rows are trusted: nothing can be wrong, and only what they said before tells of a transition."""
    return NoiseModel(
        recalibration=recalibration,
        transition=transition,
        weight=0.0,
        weight_error=0.0,
        sharpness=SHARPNESS,
        standouts=np.zeros(transition.shape, dtype=bool),
        other_rates=(),
        log_likelihood=0.0,
    )


def _fit(
    rows: _Sorted, family: Family, free: NDArray[np.bool_], known: NDArray[np.float64], sharpness: float | None
) -> _Fit:
    n, K = rows.pi.shape
    slips = np.zeros(n) if sharpness is None else annotator(rows.pi, rows.given, sharpness)
    weight = 0.0 if sharpness is None else FIRST_WEIGHT
    transition = first_transition(K)
    for _ in range(MOST_ROUNDS):
        previous = -np.inf
        for _ in range(MOST_ITERATIONS):
            confused = confusion_likelihood(rows.pi, rows.bounds, transition)
            if sharpness is not None:
                weight = _weight(confused, slips, weight)
            likelihood = (1 - weight) * confused + weight * slips
            log_likelihood = float(np.log(likelihood).sum())
            if log_likelihood - previous < TOLERANCE * n:
                break
            previous = log_likelihood
            counts = known + expected_counts(rows.pi, rows.bounds, transition, (1 - weight) / likelihood)
            transition = uniform_transition(counts) if family == "uniform" else grouped_transition(counts, free)
        found = standout_pairs(counts, free) if family == "grouped" else np.zeros_like(free)
        if not found.any():
            break
        free = free | found
    size = 1.0 if family == "uniform" else parameters(free, counts.sum(axis=1))
    cost = 0.5 * np.log(n) * (size + (sharpness is not None))
    if sharpness is not None:
        cost += n * (LEAST_GAIN_ANNOTATOR + LEAST_GAIN_SHARPNESS * (sharpness != SHARPNESS))
        cost += n * LEAST_GAIN_GROUPED_WITH_ANNOTATOR * (family == "grouped")
    right = rows.pi[np.arange(n), rows.given] * (
        (1 - weight) * transition.diagonal()[rows.given] + weight * slips
    )
    return _Fit(
        family=family,
        free=free,
        transition=transition,
        weight=weight,
        weight_error=float(1 / np.sqrt((((slips - confused) / likelihood) ** 2).sum())) if sharpness is not None else 0.0,
        sharpness=SHARPNESS if sharpness is None else sharpness,
        annotated=sharpness is not None,
        rate=float(1 - (right / likelihood).mean()),
        log_likelihood=log_likelihood,
        cost=cost,
    )


def confusion_likelihood(
    pi: NDArray[np.float64], bounds: NDArray[np.intp], transition: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum over y of pi[y] T[y, given], ``[n]``; rows of label g are ``bounds[g]`` to ``bounds[g + 1]``."""
    likelihood = np.empty(len(pi))
    for g in np.flatnonzero(np.diff(bounds)):
        of_g = slice(bounds[g], bounds[g + 1])
        likelihood[of_g] = pi[of_g] @ transition[:, g]
    return likelihood


def expected_counts(
    pi: NDArray[np.float64], bounds: NDArray[np.intp], transition: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the E step ``[true, given]``: the sums over rows of ``weights`` pi[y] T[y, given]."""
    counts = np.zeros_like(transition)
    for g in np.flatnonzero(np.diff(bounds)):
        of_g = slice(bounds[g], bounds[g + 1])
        counts[:, g] = transition[:, g] * (weights[of_g] @ pi[of_g])
    return counts


def _weight(confused: NDArray[np.float64], slips: NDArray[np.float64], weight: float) -> float:
    """Newton's method on the log likelihood, which is concave in the weight."""
    difference = slips - confused
    for _ in range(NEWTON_STEPS):
        score = difference / (confused + weight * difference)
        weight = min(max(weight + score.sum() / max((score**2).sum(), 1e-12), 0.0), 1 - 1e-6)
    return float(weight)


def _sort_by_given(pi: NDArray[np.float64], evidence: Evidence) -> _Sorted:
    given = evidence.given[~evidence.trusted]
    order = np.argsort(given, kind="stable")
    bounds = np.searchsorted(given[order], np.arange(len(evidence.groups.classes) + 1))
    return _Sorted(pi[order], given[order], bounds)


def _known_pairs(evidence: Evidence) -> NDArray[np.float64]:
    K = len(evidence.groups.classes)
    counts = np.zeros((K, K))
    rows = evidence.trusted & (evidence.original >= 0)
    np.add.at(counts, (evidence.given[rows], evidence.original[rows]), 1.0)
    return counts
