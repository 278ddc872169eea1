"""When a review may stop: how many wrong labels the rows are expected to hold that nobody has looked at yet.

P(wrong) is calibrated under the audit's noise model. What the review found so far corrects it: the log-odds of all rows
are shifted by one number, a logistic regression with slope 1 and a standard normal prior on the shift.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.interval import Interval
from audit.posterior import sigmoid

_ROUNDS = 50
_Z = 1.96
_EXTREME = 30.0
"""Log-odds are cut here: beyond it a single surprise would ask for an absurd shift."""


@dataclass(frozen=True)
class Shift:
    """What a review says of an audit's log-odds."""

    value: float
    """Added to each row's log-odds; 0 where nothing has been decided."""
    error: float
    """Its standard error."""


def fit_shift(log_odds: NDArray[np.float64], wrong: NDArray[np.bool_]) -> Shift:
    """Fit to n reviewed rows, ``[n]``: their log-odds and whether the label was found wrong.

    Newton's steps on the posterior, which is log-concave; a prior of variance 1 holds the shift where all were wrong.
    """
    x = np.clip(log_odds, -_EXTREME, _EXTREME)
    shift = 0.0
    for _ in range(_ROUNDS):
        p = sigmoid(x + shift)
        step = float(((wrong - p).sum() - shift) / ((p * (1 - p)).sum() + 1))
        shift += np.clip(step, -1.0, 1.0)
        if abs(step) < 1e-9:
            break
    p = sigmoid(x + shift)
    return Shift(float(shift), float(1 / np.sqrt((p * (1 - p)).sum() + 1)))


def expected_wrong(log_odds: NDArray[np.float64], shift: Shift) -> Interval:
    """Estimate how many of n rows, ``[n]``, are wrong, with a 95 % interval.

    The interval adds up what is not known of the shift and what chance does to a count of rows; it ends at 0 and n.
    """
    x = np.clip(log_odds, -_EXTREME, _EXTREME)
    p = sigmoid(x + shift.value)
    low, high = (sigmoid(x + shift.value + side * _Z * shift.error).sum() for side in (-1, 1))
    chance = _Z**2 * float((p * (1 - p)).sum())
    expected = float(p.sum())
    return Interval(
        expected,
        expected - float(np.hypot(expected - low, np.sqrt(chance))),
        expected + float(np.hypot(high - expected, np.sqrt(chance))),
    ).clipped(0, len(x))
