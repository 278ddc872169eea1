"""Slow transcriptions of the formulas, entry by entry, beside the vectorised code."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.asymmetry import excess_in_group
from audit.evidence import Evidence
from audit.fit import confusion_likelihood, expected_counts, fit_noise_model
from audit.joint import corrected_joint
from audit.noise_model import NoiseModel
from audit.posterior import score_rows
from audit.recalibration import Recalibration
from audit.transition import grouped_transition, pooled_transition, uniform_transition
from audit.two_rates import likely_measures
from models.groups import SimilarityGroups

Case = tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]


@pytest.fixture
def case() -> Case:
    rng = np.random.default_rng(0)
    n, K = 40, 4
    p = rng.dirichlet(np.ones(K) * 0.5, size=n)
    given = rng.integers(K, size=n)
    transition = rng.dirichlet(np.ones(K) + 3 * np.eye(K)[0], size=K)
    ratio = rng.random(K) + 0.5
    return p, given, transition, ratio


def test_the_e_step_is_bayes_rule_row_by_row(case: Case) -> None:
    """Expected counts and likelihoods equal a loop over rows of q(y) = weight pi(y) T[y, g]."""
    p, given, transition, _ = case
    n, K = p.shape
    weights = np.linspace(0.5, 2, n)
    counts = [[0.0] * K for _ in range(K)]
    likelihood = [sum(p[i, y] * transition[y, given[i]] for y in range(K)) for i in range(n)]
    for i in range(n):
        for y in range(K):
            counts[y][given[i]] += weights[i] * p[i, y] * transition[y, given[i]]
    order = np.argsort(given, kind="stable")
    bounds = np.searchsorted(given[order], np.arange(K + 1))
    np.testing.assert_allclose(expected_counts(p[order], bounds, transition, weights[order]), counts)
    np.testing.assert_allclose(confusion_likelihood(p[order], bounds, transition), np.array(likelihood)[order])


@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("sharpness", [0.5, 0.6])
def test_the_scores_are_bayes_rule_row_by_row(case: Case, weight: float, sharpness: float) -> None:
    """P(wrong), its log-odds, its parts and the suggestion equal a loop over rows, classes and both channels."""
    p, given, transition, ratio = case
    n, K = p.shape
    membership = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=bool)
    groups = SimilarityGroups([f"c{i}" for i in range(K)], membership)
    factors = np.random.default_rng(5).random((K, K)) + 0.5
    noise = NoiseModel(
        recalibration=Recalibration(ratio / ratio.sum(), ratio, factors, 0.9, 0.9),
        transition=transition,
        weight=weight,
        weight_error=0.01,
        slip_error=0.5,
        sharpness=sharpness,
        standouts=np.zeros((K, K), dtype=bool),
        other_rates=(),
        log_likelihood=0.0,
    )
    rows = score_rows(p, given, np.zeros(n, dtype=bool), groups, noise)
    for i in range(n):
        g, predicted = given[i], max(range(K), key=lambda y: p[i, y])
        pi = [p[i, y] * ratio[y] * factors[predicted, y] for y in range(K)]
        pi = [value / sum(pi) for value in pi]
        view = seen_by_annotator(pi, sharpness)
        slip = sum(view[h] * transition[h, g] for h in range(K))
        joint = {y: pi[y] * ((1 - weight) * transition[y, g] + weight * slip) for y in range(K)}
        right = joint.pop(g)
        wrong = sum(joint.values())
        confusable = sum(q for y, q in joint.items() if membership[g, y])
        assert rows.p_wrong[i] == pytest.approx(wrong / (wrong + right))
        assert rows.log_odds[i] == pytest.approx(math.log(wrong / right))
        assert rows.p_confusable[i] == pytest.approx(confusable / (wrong + right), abs=1e-12)
        assert rows.p_slip[i] == pytest.approx((1 - pi[g]) * weight * slip / (wrong + right), abs=1e-12)
        assert rows.suggested[i] == max(joint, key=joint.__getitem__)


def seen_by_annotator(pi: list[float] | NDArray[np.float64], sharpness: float) -> list[float]:
    """Odds to the power of the sharpness; below a hundredth they are the model's own."""
    blurred = [p**sharpness if p > 0.01 else 0.01**sharpness * p / 0.01 for p in pi]
    return [value / sum(blurred) for value in blurred]


def test_the_fit_of_both_channels_is_where_expectation_maximisation_rests() -> None:
    """A round of EM written out row by row, class by class and channel by channel, leaves the fitted model in place."""
    rng = np.random.default_rng(4)
    n, K = 3000, 4
    x = rng.integers(K, size=n) * 2.0
    p = np.exp(-0.5 * (x[:, None] + rng.standard_normal((n, 1)) - 2.0 * np.arange(K)) ** 2)
    p /= p.sum(axis=1, keepdims=True)
    true = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, K - 1)
    views = np.array([seen_by_annotator(row, 0.5) for row in p])
    slips = (rng.random(n)[:, None] > views.cumsum(axis=1)).sum(axis=1).clip(0, K - 1)
    taken_for = np.where(rng.random(n) < 0.5, slips, true)
    given = np.where(rng.random(n) < 0.2, taken_for ^ 1, taken_for)
    groups = SimilarityGroups.from_lists([f"c{i}" for i in range(K)], [["c0", "c1"], ["c2", "c3"]])
    noise = fit_noise_model(Evidence.checked(p, given, groups))
    assert noise.weight > 0
    pi = noise.recalibration.apply(p)
    counts = np.zeros((K, K))
    slipped = 0.0
    for i in range(n):
        g = given[i]
        view = seen_by_annotator(pi[i], noise.sharpness)
        slip = sum(view[h] * noise.transition[h, g] for h in range(K))
        by_confusion = [(1 - noise.weight) * pi[i, y] * noise.transition[y, g] for y in range(K)]
        likelihood = sum(by_confusion) + noise.weight * slip
        slipped += noise.weight * slip / likelihood
        for y in range(K):
            counts[y, g] += (by_confusion[y] + noise.weight * view[y] * noise.transition[y, g]) / likelihood
    free = groups.membership & ~np.eye(K, dtype=bool)
    families = [
        uniform_transition(counts), pooled_transition(counts, free), grouped_transition(counts, free | noise.standouts)
    ]  # fmt: skip
    assert slipped / n == pytest.approx(noise.weight, abs=2e-3)
    assert min(np.abs(transition - noise.transition).max() for transition in families) < 2e-3


def test_the_m_step_is_rates_drawn_to_their_mean() -> None:
    """Each free pair's rate, each class's common rate outside and the diagonal equal a loop over the pairs."""
    rng = np.random.default_rng(6)
    K, pooling = 5, 50.0
    counts = rng.gamma(0.5, 20, (K, K)) + 200 * np.eye(K)
    free = (rng.random((K, K)) < 0.3) & ~np.eye(K, dtype=bool)
    pairs = [(y, g) for y in range(K) for g in range(K) if y != g]
    rows = [sum(counts[y]) for y in range(K)]
    rates = np.zeros((K, K))
    for wanted in (True, False):
        kind = [(y, g) for y, g in pairs if free[y, g] == wanted]
        common = (sum(counts[y, g] for y, g in kind) - 2) / sum(rows[y] for y, _ in kind)
        for y, g in kind:
            alike = [counts[y, h] for h in range(K) if (y, h) in kind]
            errors = counts[y, g] if wanted else sum(alike) / len(alike)
            rates[y, g] = (errors + pooling * common) / (rows[y] + pooling)
    for y in range(K):
        rates[y, y] = 1 - sum(rates[y])
    np.testing.assert_allclose(grouped_transition(counts, free), rates)


def test_the_likely_rates_are_the_highest_point_of_their_likelihood(case: Case) -> None:
    """No pair of rates on a grid explains the labels better."""
    p, given, _, _ = case
    n, K = p.shape
    groups = SimilarityGroups.from_lists([f"c{i}" for i in range(K)], [["c0", "c1"], ["c2", "c3"]])
    counts = 1e9 * np.eye(K)  # so many validation images that their chance doesn't count
    evidence = Evidence.checked(p, given, groups, validation_counts=counts)
    plain = Recalibration(np.full(K, 1 / K), np.ones(K), np.ones((K, K)), 0.9, 0.9)

    def log_likelihood(a: float, b: float) -> float:
        total = 0.0
        for i in range(n):
            g = given[i]
            rates = [1 - a - 2 * b if y == g else a if groups.membership[y, g] else b for y in range(K)]
            total += math.log(sum(p[i, y] * rates[y] for y in range(K)))
        return total

    excess, rate = likely_measures(evidence, plain, counts)
    # D = 2/3 (a - b) and the rate is a + 2 b, for pairs among four classes.
    b = (rate.estimate - 1.5 * excess.estimate) / 3
    a = 1.5 * excess.estimate + b
    best = max(log_likelihood(x, y) for x in np.linspace(0, 0.5, 51) for y in np.linspace(0, 0.24, 49))
    assert log_likelihood(a, b) >= best - 1e-9


def test_the_excess_is_the_sum_over_classes() -> None:
    """D equals the written sum over y of in-group flips minus m_y / (K - 1) times all flips, for overlapping groups."""
    rng = np.random.default_rng(1)
    K = 5
    joint = rng.random((K, K)) - 0.1
    membership = np.eye(K, dtype=bool) | (rng.random((K, K)) < 0.4)
    D = 0.0
    for y in range(K):
        mates = [b for b in range(K) if membership[y, b] and b != y]
        flips = sum(joint[y, b] for b in range(K) if b != y)
        D += sum(joint[y, b] for b in mates) - len(mates) / (K - 1) * flips
    assert excess_in_group(joint, membership) == pytest.approx(D)


def test_the_corrected_joint_solves_its_equation() -> None:
    """J[g, predicted] = sum over y of A[y, g] M[y, predicted], entry by entry."""
    rng = np.random.default_rng(2)
    K = 4
    M = rng.dirichlet(np.ones(K), size=K) + 2 * np.eye(K)
    M /= M.sum(axis=1, keepdims=True)
    J = rng.random((K, K))
    A = corrected_joint(J, M)
    for g in range(K):
        for predicted in range(K):
            assert sum(A[y, g] * M[y, predicted] for y in range(K)) == pytest.approx(J[g, predicted])


def test_symmetric_noise_has_no_excess() -> None:
    """Under symmetric noise of any strength and any class shares, D is 0 for every set of groups."""
    rng = np.random.default_rng(3)
    K = 5
    for _ in range(20):
        rate = rng.random()
        transition = np.full((K, K), rate / (K - 1))
        np.fill_diagonal(transition, 1 - rate)
        joint = rng.dirichlet(np.ones(K))[:, None] * transition
        membership = np.eye(K, dtype=bool) | (rng.random((K, K)) < 0.5)
        assert abs(excess_in_group(joint, membership)) < 1e-12
