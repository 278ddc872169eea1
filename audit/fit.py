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

from audit.evidence import LEAST_PROBABILITY, Evidence
from audit.noise_model import NoiseModel, slip_error, view
from audit.recalibration import Recalibration, fit_recalibration
from audit.transition import (
    Family,
    confusable_pairs,
    first_transition,
    grouped_transition,
    parameters,
    pooled_transition,
    standout_pairs,
    uniform_transition,
)

FAMILIES: tuple[Family, ...] = ("uniform", "pooled", "grouped")
SHARPNESS = 0.5
OTHER_SHARPNESS = (0.4, 0.6)
KEENEST = 0.8  # annotators nearly as sharp as the model itself: never chosen, but they may be, so the interval has them
LEAST_GAIN_ANNOTATOR = 0.001  # nats a row
LEAST_GAIN_SHARPNESS = 0.005  # nats a row and unit: half as sharp as the model unless the labels insist
TOLERANCE = 1e-7  # of the log likelihood a row
MOST_ITERATIONS = 200
MOST_ROUNDS = 10  # of looking for pairs that stand out
NEWTON_STEPS = 3
FIRST_WEIGHT = 0.1


@dataclass(frozen=True)
class _Sorted:
    """The rows that tell of noise, n of them, in the order of their label."""

    pi: NDArray[np.float64]
    """``[n, K]``: of the true class; all on one class where it was verified."""
    seen: NDArray[np.float64]
    """``[n, K]``: what the image alone says; ``pi`` but for verified rows."""
    given: NDArray[np.intp]
    """``[n]``, sorted: the label, before it was verified."""
    bounds: NDArray[np.intp]
    """``[K + 1]``: rows of label g are ``bounds[g]`` to ``bounds[g + 1]``."""


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
    """Fit to a sample of rows; deterministic. Memory: two copies of the probabilities and a few K x K arrays.

    A trusted row tells of noise where it is known what it said before. Without that it tells nothing about how often
    labels are wrong: a label that was verified, or corrected, is right.
    """
    recalibration = fit_recalibration(evidence)
    free = confusable_pairs(evidence.groups.membership)
    rows = _telling_rows(evidence, recalibration)
    if not len(rows.given):
        return _without_noise(recalibration, uniform_transition(np.eye(len(free))))
    plain = [_fit(rows, family, free) for family in FAMILIES]
    tempered = [_fit(rows, fit.family, fit.free, fit.transition, SHARPNESS) for fit in plain]
    best = max(plain + tempered, key=lambda fit: fit.merit)
    others: tuple[float, ...] = ()
    if best.annotated:
        other = [_fit(rows, best.family, best.free, best.transition, sharpness) for sharpness in OTHER_SHARPNESS]
        keenest = _fit(rows, best.family, best.free, best.transition, KEENEST)
        others = tuple(fit.rate for fit in (best, *other, keenest))
        best = max((best, *other), key=lambda fit: fit.merit)
    unseen = max(tempered, key=lambda fit: fit.merit)
    return NoiseModel(
        recalibration=recalibration,
        transition=best.transition,
        weight=best.weight,
        weight_error=best.weight_error if best.annotated else unseen.weight_error,
        slip_error=slip_error(rows.seen, best.sharpness),
        sharpness=best.sharpness,
        standouts=best.free & ~free,
        other_rates=others,
        log_likelihood=best.log_likelihood,
    )


def _without_noise(recalibration: Recalibration, transition: NDArray[np.float64]) -> NoiseModel:
    """All rows are trusted, and nobody knows what they said before."""
    return NoiseModel(
        recalibration=recalibration,
        transition=transition,
        weight=0.0,
        weight_error=0.0,
        slip_error=0.0,
        sharpness=SHARPNESS,
        standouts=np.zeros(transition.shape, dtype=bool),
        other_rates=(),
        log_likelihood=0.0,
    )


def _fit(
    rows: _Sorted,
    family: Family,
    free: NDArray[np.bool_],
    transition: NDArray[np.float64] | None = None,
    sharpness: float | None = None,
) -> _Fit:
    """Fit one candidate, from a ``transition`` on; with an annotator where its ``sharpness`` is given."""
    n, K = rows.pi.shape
    views = None if sharpness is None else view(rows.seen, sharpness)
    weight = 0.0 if views is None else FIRST_WEIGHT
    transition = first_transition(K) if transition is None else transition
    for _ in range(MOST_ROUNDS):
        previous = -np.inf
        for _ in range(MOST_ITERATIONS):
            seen_right = confusion_likelihood(rows.pi, rows.bounds, transition)
            slips = seen_right if views is None else confusion_likelihood(views, rows.bounds, transition)
            if views is not None:
                weight = _weight(seen_right, slips, weight)
            likelihood = (1 - weight) * seen_right + weight * slips
            log_likelihood = float(np.log(likelihood).sum())
            if log_likelihood - previous < TOLERANCE * n:
                break
            previous = log_likelihood
            counts = expected_counts(rows.pi, rows.bounds, transition, (1 - weight) / likelihood)
            if views is not None:
                counts += expected_counts(views, rows.bounds, transition, weight / likelihood)
            transition = _maximum(family, counts, free)
        found = standout_pairs(counts, free) if family == "grouped" else np.zeros_like(free)
        if not found.any():
            break
        free = free | found
    size = {"uniform": 1.0, "pooled": 2.0, "grouped": parameters(free, counts.sum(axis=1))}[family]
    cost = 0.5 * np.log(n) * (size + (sharpness is not None))
    if sharpness is not None:
        cost += n * (LEAST_GAIN_ANNOTATOR + LEAST_GAIN_SHARPNESS * abs(sharpness - SHARPNESS))
    information = (((slips - seen_right) / likelihood) ** 2).sum()
    right = rows.pi[np.arange(n), rows.given] * ((1 - weight) * transition.diagonal()[rows.given] + weight * slips)
    return _Fit(
        family=family,
        free=free,
        transition=transition,
        weight=weight,
        weight_error=0.0 if sharpness is None else float(1 / np.sqrt(max(information, 1.0))),
        sharpness=SHARPNESS if sharpness is None else sharpness,
        annotated=sharpness is not None,
        rate=float(1 - (right / likelihood).mean()),
        log_likelihood=log_likelihood,
        cost=cost,
    )


def _maximum(family: Family, counts: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    match family:
        case "uniform":
            return uniform_transition(counts)
        case "pooled":
            return pooled_transition(counts, free)
        case "grouped":
            return grouped_transition(counts, free)


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


def _weight(seen_right: NDArray[np.float64], slips: NDArray[np.float64], weight: float) -> float:
    """Newton's method on the log likelihood, which is concave in the weight."""
    difference = slips - seen_right
    for _ in range(NEWTON_STEPS):
        score = difference / (seen_right + weight * difference)
        weight = min(max(weight + score.sum() / max((score**2).sum(), 1e-12), 0.0), 1 - 1e-6)
    return float(weight)


def _telling_rows(evidence: Evidence, recalibration: Recalibration) -> _Sorted:
    """Take the rows that are not trusted, and those trusted ones of which it is known what they said before."""
    known = evidence.trusted & (evidence.original >= 0)
    telling = np.flatnonzero(~evidence.trusted | known)
    labels = np.where(known, evidence.original, evidence.given)[telling]
    telling = telling[np.argsort(labels, kind="stable")]
    labels = np.sort(labels, kind="stable")
    seen = pi = recalibration.apply(evidence.probabilities[telling])
    if known.any():
        pi = seen.copy()
        verified = known[telling]
        pi[verified] = LEAST_PROBABILITY
        pi[verified, evidence.given[telling[verified]]] = 1.0
    bounds = np.searchsorted(labels, np.arange(len(evidence.groups.classes) + 1))
    return _Sorted(pi=pi, seen=seen, given=labels, bounds=bounds)
