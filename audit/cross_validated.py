"""An audit with ``cross_validated`` evidence: probabilities by a model that was fitted on the very labels in question.

They are out of sample (no row was predicted by a model that saw its label), be they columns of the label file or the
answers of ``audit/probe.py``. Such a model predicts the label. Fitted as if it predicted the truth, a transition matrix
comes out as the identity: every label explained, no noise found. Here the change of scale that leads from the label to
the truth (``audit/unnoising.py``) and the transition matrix are fitted together, by expectation-maximisation from the
most confident rows on: a model that is linear in its logits can't say "four-fifths sure, however clear the image", the
transition matrix says it for it.

What can't be had from this evidence: noise that follows the image. A label that people get wrong because the image is
hard looks, to a model that learned from those people, like an image of an uncertain class. The ranking holds there; the
rate is a lower bound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from audit.discovery import components, discovered_pairs
from audit.joint import anchor_counts
from audit.noise_model import NoiseModel
from audit.recalibration import Recalibration
from audit.transition import LEAST_RATE, confusable_pairs, grouped_transition, parameters, uniform_transition
from audit.unnoising import Unnoising, floor_of, parts, softmax
from models.groups import SimilarityGroups

Family = Literal["uniform", "shared", "grouped"]

# What rates inside groups must explain beyond one rate for all wrong labels, nats a row: one rate for all the groups
# (noise that depends on the image alone is not mistaken for it), a rate for each pair, rates for few groups of many.
LEAST_GAIN_SHARED = 0.001
LEAST_GAIN_GROUPED = 0.005
LEAST_GAIN_LOCAL = 0.01
LEAST_RATE_OF_PAIR = 0.005
SHARES_OF_HIGHEST = (0.1, 0.25, 0.5)
SMALL = 0.1  # of the rows, in a component
POOLING_ROWS = 100.0  # a class's own scale weighs as much as the common one when it has this many rows
MOST_ROWS = 20_000
MOST_CELLS = 4_000_000
MOST_ITERATIONS = 200
TOLERANCE = 1e-6  # of the log likelihood a row
MOST_CHANGE = 2.0  # of a scale in one step
DAMPING = 0.7
RIDGE = 1e-7
MOST_HALVINGS = 5
LEAST_LIKELIHOOD = 1e-300


@dataclass(frozen=True)
class CrossValidatedFit:
    """How to read the model's probabilities, and how the labels came about."""

    groups: SimilarityGroups
    """The groups given, or those discovered."""
    unnoising: Unnoising
    noise: NoiseModel

    def clean(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """P(label | image) ``[n, K]`` to P(true class | image): what ``score_rows`` reads with ``noise``."""
        return self.unnoising.apply(probabilities)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays, from which ``from_arrays`` makes the same again."""
        arrays = self.unnoising.to_arrays() | self.noise.to_arrays()
        return arrays | {"membership": self.groups.membership.astype(np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]], classes: Sequence[str]) -> Self:
        """Read what ``to_arrays`` gave."""
        groups = SimilarityGroups(classes, arrays["membership"].astype(bool))
        return cls(groups, Unnoising.from_arrays(arrays), NoiseModel.from_arrays(arrays))


@dataclass(frozen=True)
class _Rows:
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
class _Fit:
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
        return float(self.log_likelihood.sum()) - self.cost


def fit_cross_validated(
    probabilities: NDArray[np.floating],
    given: NDArray[np.intp],
    classes: Sequence[str],
    groups: SimilarityGroups | None,
    *,
    trusted: NDArray[np.bool_] | None = None,
    original: NDArray[np.intp] | None = None,
) -> CrossValidatedFit:
    """Fit to out-of-sample probabilities of the label ``[n, K]`` and the labels given ``[n]``; deterministic.

    ``groups`` None: they are discovered. Groups that the labels know nothing of cost little, and pairs that the groups
    lack are found all the same (``noise.standouts``). ``trusted`` and ``original`` as in ``audit.evidence.Evidence``.
    At most 20,000 rows and 4 million probabilities are looked at, evenly spread.
    """
    K = len(classes)
    trusted = np.zeros(len(given), dtype=bool) if trusted is None else trusted
    anchors, _ = anchor_counts(probabilities[~trusted], given[~trusted]) if not trusted.all() else (np.eye(K), None)
    named = np.zeros((K, K), dtype=bool) if groups is None else confusable_pairs(groups.membership)
    found = discovered_pairs(anchors) & ~named
    known = _known_pairs(given, trusted, original, K)
    spread = _spread(len(given), K)
    floor = floor_of(probabilities)
    upload = _Upload(probabilities[spread], given[spread], trusted[spread], known, anchors, floor)
    fit, confusable = _choose(upload, named, found)
    if groups is None:
        groups = SimilarityGroups(classes, fit.free | np.eye(K, dtype=bool))
    return CrossValidatedFit(
        groups=groups,
        unnoising=Unnoising(floor, confusable, fit.between, fit.within, fit.bias),
        noise=NoiseModel(
            recalibration=Recalibration(fit.prior, np.ones(K), np.ones((K, K)), float("nan"), float("nan")),
            transition=fit.transition,
            weight=0.0,
            weight_error=0.0,
            slip_error=0.0,
            sharpness=0.5,
            standouts=fit.free & ~confusable_pairs(groups.membership),
            other_rates=(),
            log_likelihood=float(fit.log_likelihood.sum()),
        ),
    )


@dataclass(frozen=True)
class _Upload:
    """The rows that are looked at, before it is settled which classes are confusable."""

    probabilities: NDArray[np.floating]
    given: NDArray[np.intp]
    trusted: NDArray[np.bool_]
    known: NDArray[np.float64]
    anchors: NDArray[np.float64]
    floor: float

    def rows(self, confusable: NDArray[np.bool_]) -> _Rows:
        means, rest = parts(self.probabilities, confusable, self.floor)
        return _Rows(means, rest, self.given, self.trusted, self.known, self.anchors)


def _choose(upload: _Upload, named: NDArray[np.bool_], found: NDArray[np.bool_]) -> tuple[_Fit, NDArray[np.bool_]]:
    """Return the best fit, and which classes have a common mean in the change of scale.

    Candidates get a scale of their own in any case: the model may confuse them by itself. Rates of their own they get
    where these explain the labels enough better than one rate for all wrong labels. Which candidates? Those whose rate,
    fitted with all the others', is of the size of the highest; how near to it is tried out.
    """
    alone = np.eye(len(named), dtype=bool)
    candidates = named | found
    rows = upload.rows(candidates | alone)
    best, confusable = _fit(rows, "uniform", np.zeros_like(candidates)), candidates | alone
    if not candidates.any():
        return best, confusable
    grouped = _fit(rows, "grouped", candidates)
    choices = [named, *(_used(grouped, share) for share in SHARES_OF_HIGHEST), _local(best, grouped, upload.given)]
    tried: set[bytes] = set()
    for free in choices:
        if not free.any() or free.tobytes() in tried:
            continue
        tried.add(free.tobytes())
        rows = upload.rows(free | alone)
        for family in ("shared", "grouped"):
            fit = _fit(rows, family, free)
            if fit.merit > best.merit:
                best, confusable = fit, free | alone
    return best, confusable


def _used(fit: _Fit, share: float) -> NDArray[np.bool_]:
    """Return the free pairs whose rate, in either direction, is at least so large a ``share`` of the highest."""
    outside = ~fit.free & ~np.eye(len(fit.free), dtype=bool)
    background = np.where(outside, fit.transition, 0.0).sum(axis=1) / np.maximum(outside.sum(axis=1), 1)
    rates = np.where(fit.free, fit.transition - background[:, None], 0.0)
    used = rates > max(LEAST_RATE_OF_PAIR, share * float(rates.max()))
    pairs: NDArray[np.bool_] = used | used.T
    return pairs


def _local(plain: _Fit, grouped: _Fit, given: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return the free pairs of small components that ask for rates of their own, though most may not."""
    K = len(grouped.free)
    component = components(grouped.free)
    gain = np.bincount(component[given], grouped.log_likelihood - plain.log_likelihood, minlength=K)
    size = np.bincount(component[given], minlength=K)
    width = np.bincount(component, grouped.free.sum(axis=1), minlength=K)
    asked = gain > 0.5 * np.log(len(given)) * (width + 1) + LEAST_GAIN_LOCAL * size
    asked &= size < SMALL * len(given)
    pairs: NDArray[np.bool_] = grouped.free & asked[component][:, None]
    return pairs


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


def _fit(rows: _Rows, family: Family, free: NDArray[np.bool_]) -> _Fit:
    """Fit one candidate; the transition matrix starts at that of the anchors."""
    n, K = rows.means.shape
    state = _State(1.0, np.ones(K), np.zeros(K), _transition(rows.anchors, family, free))
    best, log_likelihood, pi, joint = state, *_expected(rows, state)
    total = float(log_likelihood.sum())
    halved = 0
    for _ in range(MOST_ITERATIONS):
        if not halved:
            counts = rows.known + _summed_by(rows.given[~rows.trusted], joint[~rows.trusted])
            bias = best.bias + np.log((joint.sum(axis=0) + 1) / (pi.sum(axis=0) + 1))
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
    least = {"uniform": 0.0, "shared": LEAST_GAIN_SHARED, "grouped": LEAST_GAIN_GROUPED}[family]
    return _Fit(
        free=free,
        between=best.between,
        within=best.within,
        bias=best.bias,
        transition=best.transition,
        log_likelihood=log_likelihood,
        prior=pi.mean(axis=0),
        cost=max(0.5 * float(np.log(n)) * size, least * n),
    )


def _expected(rows: _Rows, state: _State) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
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
    rows: _Rows,
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


def _known_pairs(
    given: NDArray[np.intp], trusted: NDArray[np.bool_], original: NDArray[np.intp] | None, K: int
) -> NDArray[np.float64]:
    counts = np.zeros((K, K))
    if original is not None:
        rows = trusted & (original >= 0)
        np.add.at(counts, (given[rows], original[rows]), 1.0)
    return counts


def _spread(n: int, K: int) -> NDArray[np.intp]:
    """Return the rows to look at, all or evenly spread."""
    most = min(MOST_ROWS, max(MOST_CELLS // K, 1))
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.intp)
