"""Fit the change of scale and the transition matrix together, by generalised expectation-maximisation.

The change of scale is that of ``audit/unnoising.py``; the transition matrix is of one of three families, from one rate
for all wrong labels to a rate for each confusable pair. A verified label is the truth: it fits the scale alone.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.likely_classes import MOST as ALL_LIKELY
from audit.transition import LEAST_RATE, grouped_transition, parameters, uniform_transition
from audit.unnoising import softmax

Family = Literal["uniform", "shared", "grouped"]

# What rates inside groups must explain beyond one rate for all wrong labels, nats a row, whatever the number of rows:
# noise that depends on the image gives them up to 0.0016 and 0.004, noise inside groups 0.003 and 0.02 at the least.
LEAST_GAIN: dict[Family, float] = {"uniform": 0.0, "shared": 0.002, "grouped": 0.006}
EVIDENT_SHARE = 0.1  # of anchors whose labels lie in a group: noise that follows the image brings it to 0.03
POOLING_ROWS = 100.0  # a class's own scale weighs as much as the common one when it has this many rows
BIAS_ROWS = 2.0  # so strongly a class's share is held to what the model says of it
BIAS_ROWS_OF_MANY = 20.0  # where there are many classes, of few rows each
LIKENESS_OF_MANY = 50.0  # then a class's own scale differs by a seventh of the common one, one over this squared
MOST_ITERATIONS = 200
TOLERANCE = 1e-6  # of the log likelihood a row
MOST_CHANGE = 2.0  # of a scale in one step
MOST_HALVINGS = 5
DAMPING = 0.7
RIDGE = 1e-7
LEAST_LIKELIHOOD = 1e-300


@dataclass(frozen=True)
class LabelledRows:
    """What is fitted to: n rows, of each the C classes that its image may be of, its label among them; K in all."""

    classes: NDArray[np.intp]
    """``[n, C]``, see ``audit/likely_classes.py``."""
    log_sizes: NDArray[np.float64]
    """``[n, C]``: logarithm of how many classes each stands for."""
    means: NDArray[np.float64]
    """``[n, C]``: m of ``audit/unnoising.py``."""
    rest: NDArray[np.float64]
    """``[n, C]``: d of ``audit/unnoising.py``."""
    given: NDArray[np.intp]
    """``[n]``."""
    trusted: NDArray[np.bool_]
    """``[n]``: the label is verified."""
    known: NDArray[np.float64]
    """``[true, given]``: counts of trusted rows that said something else before."""
    anchors: NDArray[np.float64]
    """``[predicted, given]``, where the transition matrix starts."""

    @cached_property
    def cells(self) -> NDArray[np.intp]:
        """``[n, C]``: where a transition matrix laid out flat has the way from each class to the row's label."""
        cells: NDArray[np.intp] = self.classes * len(self.known) + self.given[:, None]
        return cells

    @cached_property
    def doubted_cells(self) -> NDArray[np.intp]:
        """``[n C]``: ``cells``, but for rows that are trusted one behind the last."""
        return np.where(self.trusted[:, None], self.known.size, self.cells).ravel()

    @cached_property
    def verified(self) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The rows that are trusted, and which of their classes is the label: ``[m]``, ``[m, C]``."""
        rows = np.flatnonzero(self.trusted)
        return rows, self.classes[rows] == self.given[rows, None]

    def by_class(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum ``values`` ``[n, C]`` by class: ``[K]``."""
        return np.bincount(self.classes.ravel(), values.ravel(), minlength=len(self.known)).astype(
            np.float64, copy=False
        )


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
    n, K = len(rows.given), len(free)
    state = _State(1.0, np.ones(K), np.zeros(K), _transition(rows.anchors, family, free))
    sure = rows.anchors if believe_anchors else np.zeros((K, K))
    best, log_likelihood, pi, joint = state, *_expected(rows, state)
    total = float(log_likelihood.sum())
    held = BIAS_ROWS if K <= ALL_LIKELY else BIAS_ROWS_OF_MANY
    halved = 0
    for _ in range(MOST_ITERATIONS):
        if not halved:
            counts = rows.known + sure + _flips(rows, joint)
            expected = rows.by_class(pi)
            bias = best.bias + (rows.by_class(joint) - expected - held * best.bias) / (expected + held)
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
    size = {"uniform": 1.0, "shared": 2.0, "grouped": parameters(free, rows.by_class(joint))}[family]
    return Candidate(
        free=free,
        between=best.between,
        within=best.within,
        bias=best.bias,
        transition=best.transition,
        log_likelihood=log_likelihood,
        prior=rows.by_class(pi) / n,
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
    """Return the log likelihood of each label ``[n]``, P(true | image) and P(true | image, label) ``[n, C]``."""
    logits = state.between * rows.means
    logits += state.within[rows.classes] * rows.rest
    logits += state.bias[rows.classes]
    logits += rows.log_sizes
    pi = softmax(logits)
    joint = pi * state.transition.ravel()[rows.cells]
    verified, right = rows.verified
    joint[verified] = pi[verified] * right
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
    """Take a Newton step to the cross entropy of ``pi`` with ``target`` ``[n, C]``.

    ``between`` and what the classes' own scales have in common are stepped together; then what they differ by, each on
    its own and drawn towards the mean.
    """
    off = target - pi
    weighted = pi * rows.rest
    mean_means, mean_rest = np.einsum("nk,nk->n", pi, rows.means), weighted.sum(axis=1)
    second = rows.by_class(weighted * rows.rest)
    across = float(np.einsum("nk,nk->", weighted, rows.means) - mean_means @ mean_rest)
    curvature = np.array(
        [
            [np.einsum("nk,nk,nk->", pi, rows.means, rows.means) - mean_means @ mean_means, across],
            [across, second.sum() - mean_rest @ mean_rest],
        ]
    )
    slopes = rows.by_class(off * rows.rest)
    slope = np.array([np.einsum("nk,nk->", off, rows.means), slopes.sum()])
    step = np.linalg.solve(curvature + RIDGE * (1 + np.trace(curvature)) * np.eye(2), slope)
    own = second - rows.by_class(weighted * weighted)
    n, K = len(pi), len(within)
    pull = POOLING_ROWS * float(curvature[1, 1]) / (n * K)
    if K > ALL_LIKELY:
        pull = LIKENESS_OF_MANY / float(within.mean()) ** 2
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


def _flips(rows: LabelledRows, joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum ``joint`` ``[n, C]`` of the rows that are not trusted: ``[true, given]``."""
    counts = np.bincount(rows.doubted_cells, joint.ravel(), minlength=rows.known.size + 1)[:-1]
    return counts.reshape(rows.known.shape).astype(np.float64, copy=False)
