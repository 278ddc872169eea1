"""The noise in two rates, by likelihood: what the sure rows say, and only as far as the model may be believed.

Counting predictions (``audit/joint.py``) pays for every confusion of the model with uncertainty. The likelihood of the
given labels under two rates, a for the pairs inside the groups and b for those outside, hardly listens to rows of
which the model is unsure; where a model confuses look-alikes in 9 of 100 images, its standard error is 0.6 of that of
counting. A row enters with three numbers, the probabilities of its label, of the label's mates, and of the others:

    L = pi_g (1 - m_g a - (K - 1 - m_g) b) + a pi_mates + b pi_others.

The price is that the probabilities are believed. They are recalibrated by confusion counts on clean validation data,
and those are a sample: what their chance does to a and b is in the interval, to first order.
"""

import numpy as np
from numpy.typing import NDArray

from audit.evidence import Evidence
from audit.interval import Interval
from audit.recalibration import Recalibration, smoothing_of

MOST_STEPS = 50
MOST_HALVINGS = 30
TOLERANCE = 1e-9  # of the log likelihood a row
LEAST_LIKELIHOOD = 1e-300
FIRST_RATE = 0.02
NORMAL_QUANTILE = 1.96
MODEL_ERROR = 0.002  # what the smoothing of the recalibration leaves of the model's own bias

Floats = NDArray[np.float64]


def likely_measures(
    evidence: Evidence, recalibration: Recalibration, validation_counts: NDArray[np.float64]
) -> tuple[Interval, Interval]:
    """Return the excess D of ``audit/asymmetry.py`` and the noise rate, shares of the rows that are not trusted.

    ``validation_counts`` ``[true, predicted]`` are those that ``recalibration`` was fitted to. Some row must not be
    trusted.
    """
    rows = ~evidence.trusted
    probabilities, given = evidence.probabilities[rows], evidence.given[rows]
    pi = recalibration.apply(probabilities)
    n, K = np.arange(len(given)), pi.shape[1]
    mates = evidence.groups.membership & ~np.eye(K, dtype=bool)
    mates_of_given, others_of_given = mates.sum(axis=0)[given], (K - 1 - mates.sum(axis=0))[given]
    right, confusable = pi[n, given], np.einsum("nk,nk->n", pi, mates.T[given])
    gradient = np.stack(
        [confusable - mates_of_given * right, np.maximum(1 - right - confusable, 0) - others_of_given * right]
    )
    rates, likelihood = _maximum(right, gradient)
    score = gradient / likelihood
    covariance = np.linalg.pinv(score @ score.T, hermitian=True)
    bent = _bent(pi, given, probabilities.argmax(axis=1), mates, rates, gradient, likelihood)
    smoothing = smoothing_of(validation_counts, len(evidence.given))
    by_model = np.einsum("iky,jky,yk->ij", bent, bent, 1 / (validation_counts + smoothing))
    covariance = covariance + covariance @ by_model @ covariance
    width = mates.sum(axis=1)
    beyond_chance = float(recalibration.prior @ (width * (1 - width / (K - 1))))
    flips = np.array([recalibration.prior @ width, recalibration.prior @ (K - 1 - width)])
    return (
        _interval(np.array([beyond_chance, -beyond_chance]), rates, covariance),
        _interval(flips, rates, covariance),
    )


def _interval(shares: Floats, rates: Floats, covariance: Floats) -> Interval:
    estimate = float(shares @ rates)
    variance = float(shares @ covariance @ shares)
    error = NORMAL_QUANTILE * max(variance, 0.0) ** 0.5
    return Interval(estimate, estimate - error, estimate + error).widened(MODEL_ERROR)


def _maximum(right: Floats, gradient: Floats) -> tuple[Floats, Floats]:
    """Return the rates a, b >= 0 that make ``right + (a, b) @ gradient`` ``[n]`` likeliest, and the likelihoods.

    Newton's method on a concave function; a rate that wants to be negative stays at 0.
    """
    rates = FIRST_RATE / np.maximum((-gradient / np.maximum(right, LEAST_LIKELIHOOD)).max(axis=1), 1.0)
    likelihood = right + rates @ gradient
    total = float(np.log(np.maximum(likelihood, LEAST_LIKELIHOOD)).sum())
    for _ in range(MOST_STEPS):
        score = gradient / np.maximum(likelihood, LEAST_LIKELIHOOD)
        uphill = score.sum(axis=1)
        moving = (rates > 0) | (uphill > 0)
        step = np.zeros(2)
        step[moving] = np.linalg.pinv((score @ score.T)[np.ix_(moving, moving)], hermitian=True) @ uphill[moving]
        for _ in range(MOST_HALVINGS):
            tried = np.maximum(rates + step, 0.0)
            at = right + tried @ gradient
            gain = float(np.log(np.maximum(at, LEAST_LIKELIHOOD)).sum()) - total
            if gain >= 0:
                break
            step /= 2
        else:
            break
        rates, likelihood, total = tried, at, total + gain
        if gain < TOLERANCE * len(right):
            break
    return rates, np.maximum(likelihood, LEAST_LIKELIHOOD)


def _bent(
    pi: Floats,
    given: NDArray[np.intp],
    predicted: NDArray[np.intp],
    mates: NDArray[np.bool_],
    rates: Floats,
    gradient: Floats,
    likelihood: Floats,
) -> Floats:
    """Return what the logarithm of each factor of the recalibration adds to the score: ``[rate, predicted, true]``."""
    n, K = np.arange(len(given)), pi.shape[1]
    of_given = mates.T[given]
    width = mates.sum(axis=0)[given]
    slopes = (of_given.astype(np.float64), (~of_given).astype(np.float64))
    slopes[1][n, given] = 0.0
    transition = rates[0] * slopes[0] + rates[1] * slopes[1]
    transition[n, given] = 1 - rates[0] * width - rates[1] * (K - 1 - width)
    slopes[0][n, given], slopes[1][n, given] = -width, -(K - 1 - width)
    by_predicted = np.zeros((2, K, K))
    order = np.argsort(predicted, kind="stable")
    present, first = np.unique(predicted[order], return_index=True)
    for i in (0, 1):
        change = pi * (slopes[i] - transition * (gradient[i] / likelihood)[:, None]) / likelihood[:, None]
        by_predicted[i, present] = np.add.reduceat(change[order], first, axis=0)
    return by_predicted
