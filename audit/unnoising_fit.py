"""Fit the change of scale and the transition matrix together, by generalised expectation-maximisation.

The change of scale is that of ``audit/unnoising.py``; the transition matrix is of one of three families, from one rate
for all wrong labels to a rate for each confusable pair. A verified label is the truth: it fits the scale alone.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.transition import LEAST_RATE, grouped_transition, parameters, uniform_transition
from audit.unnoising import softmax

Family = Literal["uniform", "shared", "grouped"]

# What rates inside groups must explain beyond one rate for all wrong labels, nats a row, whatever the number of rows:
# noise that depends on the image gives them up to 0.0016 and 0.004, noise inside groups 0.003 and 0.02 at the least.
LEAST_GAIN: dict[Family, float] = {"uniform": 0.0, "shared": 0.002, "grouped": 0.006}
EVIDENT_SHARE = 0.1  # of anchors whose labels lie in a group: noise that follows the image brings it to 0.03
POOLING_ROWS = 100.0  # a class's own scale weighs as much as the common one when it has this many rows
BIAS_ROWS = 2.0  # so strongly a class's share is held to what the model says of it
MOST_ITERATIONS = 200
TOLERANCE = 1e-6  # of the log likelihood a row
MOST_CHANGE = 2.0  # of a scale in one step
MOST_HALVINGS = 5
DAMPING = 0.7
RIDGE = 1e-7
LEAST_LIKELIHOOD = 1e-300


@dataclass(frozen=True)
class LabelledRows:
    """What is fitted to: m and d of ``audit/unnoising.py`` ``[n, K]``, labels, and which are verified."""

    means: NDArray[np.float64]
    rest: NDArray[np.float64]
    given: NDArray[np.intp]
    trusted: NDArray[np.bool_]
    known: NDArray[np.float64]
    """``[true, given]``: counts of trusted rows that said something else before."""
    anchors: NDArray[np.float64]
    """``[predicted, given]``, where the transition matrix starts."""


@dataclass(frozen=True)
class Candidate:
    """One candidate at its maximum."""

    free: NDArray[np.bool_]
    between: float
    within: NDArray[np.float64]
    bias: NDArray[np.float64]
    transition: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    """Of each row."""
    prior: NDArray[np.float64]
    cost: float
    """What must be gained for it in log likelihood."""

    @property
    def merit(self) -> float:
        """Log likelihood less the cost."""
        return float(self.log_likelihood.sum()) - self.cost


@dataclass(frozen=True)
class _State:
    between: float
    within: NDArray[np.float64]
    bias: NDArray[np.float64]
    transition: NDArray[np.float64]

    def towards(self, other: "_State") -> "_State":
        """Half the way to another state."""
        names = ("between", "within", "bias", "transition")
        return _State(*((getattr(self, name) + getattr(other, name)) / 2 for name in names))


def fit_candidate(
    rows: LabelledRows, family: Family, free: NDArray[np.bool_], *, believe_anchors: bool = False
) -> Candidate:
    """Fit one candidate; the transition matrix starts at that of the anchors.

    ``believe_anchors``: they count on, beside the rows, and it costs nothing but its parameters.
    """
    n, K = rows.means.shape
    state = _State(1.0, np.ones(K), np.zeros(K), _transition(rows.anchors, family, free))
    sure = rows.anchors if believe_anchors else np.zeros((K, K))
    best, log_likelihood, pi, joint = state, *_expected(rows, state)
    total = float(log_likelihood.sum())
    halved = 0
    for _ in range(MOST_ITERATIONS):
        if not halved:
            counts = rows.known + sure + _summed_by(rows.given[~rows.trusted], joint[~rows.trusted])
            expected = pi.sum(axis=0)
            bias = best.bias + (joint.sum(axis=0) - expected - BIAS_ROWS * best.bias) / (expected + BIAS_ROWS)
            scales = _scales(rows, pi, joint, best.between, best.within)
            state = _State(*scales, bias - bias.mean(), _transition(counts, family, free))
        tried = _expected(rows, state)
        gain = float(tried[0].sum()) - total
        if gain < 0 and halved < MOST_HALVINGS:  # scales, bias and rates, moved at once, may overshoot
            state, halved = state.towards(best), halved + 1
            continue
        if gain >= 0:
            best, (log_likelihood, pi, joint), total = state, tried, total + gain
        if gain < TOLERANCE * n:
            break
        halved = 0
    size = {"uniform": 1.0, "shared": 2.0, "grouped": parameters(free, joint.sum(axis=0))}[family]
    return Candidate(
        free=free,
        between=best.between,
        within=best.within,
        bias=best.bias,
        transition=best.transition,
        log_likelihood=log_likelihood,
        prior=pi.mean(axis=0),
        cost=size if believe_anchors else max(0.5 * float(np.log(n)) * size, LEAST_GAIN[family] * n),
    )


def is_evident(anchors: NDArray[np.float64], free: NDArray[np.bool_], named: NDArray[np.bool_]) -> bool:
    """Whether so many anchors ``[predicted, given]`` lie in ``free`` pairs that it can't be the model's doubt.

    A pair that nobody ``named`` was looked for where anchors are: one of them doesn't count.
    """
    found = anchors[free].sum() - (free & ~named).sum()
    return bool(found >= EVIDENT_SHARE * anchors.sum() and free.any())


def _expected(
    rows: LabelledRows, state: _State
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the log likelihood of each label ``[n]``, P(true | image) and P(true | image, label) ``[n, K]``."""
    pi = softmax(state.between * rows.means + state.within * rows.rest + state.bias)
    joint = pi * state.transition.T[rows.given]
    verified = np.flatnonzero(rows.trusted)
    joint[verified] = 0.0
    joint[verified, rows.given[verified]] = pi[verified, rows.given[verified]]
    likelihood = np.maximum(joint.sum(axis=1), LEAST_LIKELIHOOD)
    joint /= likelihood[:, None]
    return np.log(likelihood), pi, joint


def _scales(
    rows: LabelledRows,
    pi: NDArray[np.float64],
    target: NDArray[np.float64],
    between: float,
    within: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Take a Newton step to the cross entropy of ``pi`` with ``target`` ``[n, K]``.

    ``between`` and what the classes' own scales have in common are stepped together; then what they differ by, each on
    its own and drawn towards the mean.
    """
    n, K = pi.shape
    off = target - pi
    weighted = pi * rows.rest
    mean_means, mean_rest = np.einsum("nk,nk->n", pi, rows.means), weighted.sum(axis=1)
    second = np.einsum("nk,nk->k", weighted, rows.rest)
    across = float(np.einsum("nk,nk->", weighted, rows.means) - mean_means @ mean_rest)
    curvature = np.array(
        [
            [np.einsum("nk,nk,nk->", pi, rows.means, rows.means) - mean_means @ mean_means, across],
            [across, second.sum() - mean_rest @ mean_rest],
        ]
    )
    slopes = np.einsum("nk,nk->k", off, rows.rest)
    slope = np.array([np.einsum("nk,nk->", off, rows.means), slopes.sum()])
    step = np.linalg.solve(curvature + RIDGE * (1 + np.trace(curvature)) * np.eye(2), slope)
    own = second - np.einsum("nk,nk->k", weighted, weighted)
    pull = POOLING_ROWS * float(curvature[1, 1]) / (n * K)
    apart = (slopes - step[1] * own - pull * (within - within.mean())) / (own + pull + RIDGE)
    return (
        float(np.clip(between + step[0], between / MOST_CHANGE, between * MOST_CHANGE)),
        np.clip(within + step[1] + DAMPING * apart, within / MOST_CHANGE, within * MOST_CHANGE),
    )


def _transition(counts: NDArray[np.float64], family: Family, free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the M step of expected counts ``[true, given]``."""
    if family == "uniform":
        return uniform_transition(counts)
    if family == "grouped":
        return grouped_transition(counts, free)
    return shared_transition(counts, free)


def shared_transition(counts: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the M step of two rates in all: one for each ``free`` pair, one for each other pair of classes."""
    K = len(counts)
    rows = counts.sum(axis=1)
    transition = np.zeros((K, K))
    for pairs in (free, ~free & ~np.eye(K, dtype=bool)):
        if pairs.any():
            rate = float(counts[pairs].sum()) / max(float(rows @ pairs.sum(axis=1)), 1.0)
            transition[pairs] = max(rate, LEAST_RATE / K)
    np.fill_diagonal(transition, np.maximum(1 - transition.sum(axis=1), LEAST_RATE))
    transition /= transition.sum(axis=1, keepdims=True)
    return transition


def _summed_by(labels: NDArray[np.intp], joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the rows of ``joint`` ``[n, K]`` by their label: ``[true, given]``."""
    K = joint.shape[1]
    summed = np.zeros((K, K))
    order = np.argsort(labels, kind="stable")
    present, first = np.unique(labels[order], return_index=True)
    if len(present):
        summed[:, present] = np.add.reduceat(joint[order], first, axis=0).T
    return summed
