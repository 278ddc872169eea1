"""The transition matrix of an upload, by expectation-maximisation on calibrated probabilities.

Model: a row's true class y has the upload's class prior; the label given to it is drawn from ``T[y]``; the classifier
supplies p(y | x) under its own class prior. The upload's prior and ``T`` maximise the likelihood of the given labels
(Dawid and Skene 1979 with the classifier's posterior in place of the annotators; prior as Saerens et al. 2002).

``T`` is smooth where data are few: pairs inside a similarity group have a rate each, drawn towards their common mean,
and all the pairs outside the groups of one class share one rate, drawn towards the mean of the classes. A pair outside
the groups that flips far more often than its share gets a rate of its own: groups that miss something do less harm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.evidence import LEAST_PROBABILITY, Evidence

POOLING_ROWS = 50.0  # a class's own rates weigh as much as the common ones when it has this many rows
CHANCE_ROWS = (
    2.0  # in each channel (inside, outside groups) this many errors are put down to chance: no noise by default
)
LEAST_RATE = 1e-7  # no pair is impossible: saturated rows keep an order
TOLERANCE = 1e-7  # of the mean log likelihood a row
MOST_ITERATIONS = 500
MOST_ROUNDS = 10  # of looking for pairs that stand out
STANDOUT_DEVIATIONS = 3.0  # of a Poisson count, above the share of its class
STANDOUT_ROWS = 1.0  # and so many rows more


@dataclass(frozen=True)
class NoiseModel:
    """How the labels of an upload came about: K classes."""

    prior: NDArray[np.float64]
    """``[K]``, sums to 1: the share of each true class in the upload."""
    prior_ratio: NDArray[np.float64]
    """``[K]``: ``prior`` over the model's own, the correction for label shift."""
    transition: NDArray[np.float64]
    """``[true, given]``, rows sum to 1, no entry is 0."""
    counts: NDArray[np.float64]
    """``[true, given]``: expected number of scored rows; trusted rows lie on the diagonal."""
    standouts: NDArray[np.bool_]
    """``[true, given]``: pairs outside the groups that flip so often that they have a rate of their own."""
    log_likelihood: float
    iterations: int


@dataclass(frozen=True)
class _Sorted:
    """The rows that are not trusted, in the order of their given label."""

    probabilities: NDArray[np.floating]
    bounds: NDArray[np.intp]


def fit_noise_model(evidence: Evidence) -> NoiseModel:
    """Fit prior and transition matrix; deterministic. Memory: one copy of the probabilities and a few K x K arrays.

    Trusted rows tell the class prior. They tell the transition only where their original label is known: a label that
    was verified, or corrected, says nothing about how often labels are wrong.
    """
    K = len(evidence.groups.classes)
    free = confusable_pairs(evidence.groups.membership)
    rows = _sort_by_given(evidence)
    verified = np.bincount(evidence.given[evidence.trusted], minlength=K).astype(np.float64)
    known = _known_pairs(evidence)
    standouts = np.zeros((K, K), dtype=bool)
    prior = evidence.model_prior
    transition = np.full((K, K), 0.2 / (K - 1))
    np.fill_diagonal(transition, 0.8)
    iteration = 0
    for _ in range(MOST_ROUNDS):
        previous = -np.inf
        while True:
            counts, log_likelihood = expected_counts(
                rows.probabilities, rows.bounds, prior / evidence.model_prior, transition
            )
            if iteration == MOST_ITERATIONS or log_likelihood - previous < TOLERANCE * len(evidence.given):
                break
            previous = log_likelihood
            iteration += 1
            prior = smoothed_prior(counts.sum(axis=1) + verified, evidence.model_prior)
            transition = smoothed_transition(counts + known, free | standouts)
        found = standout_pairs(counts + known, free | standouts)
        if not found.any():
            break
        standouts |= found
    return NoiseModel(
        prior=prior,
        prior_ratio=prior / evidence.model_prior,
        transition=transition,
        counts=counts + np.diag(verified),
        standouts=standouts,
        log_likelihood=log_likelihood,
        iterations=iteration,
    )


def confusable_pairs(membership: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ``[true, given]``: different classes, either in the group of the other."""
    return (membership | membership.T) & ~np.eye(len(membership), dtype=bool)


def expected_counts(
    probabilities: NDArray[np.floating],
    bounds: NDArray[np.intp],
    prior_ratio: NDArray[np.float64],
    transition: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the E step: expected counts ``[true, given]`` and the log likelihood.

    q(y | x, g) is proportional to p(y | x) prior_ratio[y] T[y, g]. ``probabilities`` ``[n, K]`` are sorted by given
    label; those of label g are rows ``bounds[g]`` to ``bounds[g + 1]``. Two matrix-vector products a label.
    """
    counts = np.zeros_like(transition)
    log_likelihood = 0.0
    for g in np.flatnonzero(np.diff(bounds)):
        p = probabilities[bounds[g] : bounds[g + 1]]
        weight = prior_ratio * transition[:, g]
        likelihood = p @ weight
        counts[:, g] = weight * ((1 / likelihood) @ p)
        log_likelihood += float(np.log(likelihood).sum())
    return counts, log_likelihood


def smoothed_prior(counts: NDArray[np.float64], model_prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Class shares of ``counts`` ``[K]``, with one row a class drawn from the model's own prior."""
    K = len(counts)
    prior: NDArray[np.float64] = (counts + K * model_prior) / (counts.sum() + K)
    return prior


def smoothed_transition(counts: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the M step: the transition matrix of expected counts ``[true, given]``; ``free`` pairs have own rates."""
    K = len(counts)
    rows = counts.sum(axis=1)
    outside = ~free & ~np.eye(K, dtype=bool)
    transition = np.zeros((K, K))
    for pairs in (free, outside):
        width = pairs.sum(axis=1)
        if not width.any():
            continue
        errors = np.where(pairs, counts, 0.0)
        if pairs is outside:
            errors = np.where(pairs, (errors.sum(axis=1) / np.maximum(width, 1))[:, None], 0.0)
        common = max(float(errors.sum()) - CHANCE_ROWS, 0.0) / max(float(rows @ width), 1.0)
        rates = (errors + POOLING_ROWS * common) / (rows[:, None] + POOLING_ROWS)
        transition[pairs] = np.maximum(rates[pairs], LEAST_RATE / K)
    # Every rate is a share of the same rows, so a row's rates sum to 1 at most; the diagonal takes the rest.
    np.fill_diagonal(transition, np.maximum(1 - transition.sum(axis=1), LEAST_RATE))
    transition /= transition.sum(axis=1, keepdims=True)
    return transition


def standout_pairs(counts: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pairs, not ``free``, whose expected ``counts`` ``[true, given]`` are far above their class's share."""
    K = len(counts)
    outside = ~free & ~np.eye(K, dtype=bool)
    share = np.where(outside, counts, 0.0).sum(axis=1, keepdims=True) / np.maximum(outside.sum(axis=1), 1)[:, None]
    found: NDArray[np.bool_] = outside & (counts > share + STANDOUT_DEVIATIONS * np.sqrt(share) + STANDOUT_ROWS)
    return found


def _sort_by_given(evidence: Evidence) -> _Sorted:
    untrusted = np.flatnonzero(~evidence.trusted)
    order = untrusted[np.argsort(evidence.given[untrusted], kind="stable")]
    K = len(evidence.groups.classes)
    return _Sorted(
        probabilities=np.maximum(evidence.probabilities[order], LEAST_PROBABILITY),
        bounds=np.searchsorted(evidence.given[order], np.arange(K + 1)),
    )


def _known_pairs(evidence: Evidence) -> NDArray[np.float64]:
    K = len(evidence.groups.classes)
    counts = np.zeros((K, K))
    rows = evidence.trusted & (evidence.original >= 0)
    np.add.at(counts, (evidence.given[rows], evidence.original[rows]), 1.0)
    return counts
