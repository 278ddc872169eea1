"""Slow transcriptions of the formulas, entry by entry, beside the vectorised code."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.asymmetry import excess_in_group
from audit.fit import confusion_likelihood, expected_counts
from audit.joint import corrected_joint
from audit.noise_model import NoiseModel
from audit.posterior import score_rows
from audit.recalibration import Recalibration
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
        slip = pi[g] ** sharpness / sum(value**sharpness for value in pi)
        joint = {y: pi[y] * ((1 - weight) * transition[y, g] + weight * slip) for y in range(K)}
        right = joint.pop(g)
        wrong = sum(joint.values())
        confusable = sum(q for y, q in joint.items() if membership[g, y])
        assert rows.p_wrong[i] == pytest.approx(wrong / (wrong + right))
        assert rows.log_odds[i] == pytest.approx(math.log(wrong / right))
        assert rows.p_confusable[i] == pytest.approx(confusable / (wrong + right), abs=1e-12)
        assert rows.p_slip[i] == pytest.approx((1 - pi[g]) * weight * slip / (wrong + right), abs=1e-12)
        assert rows.suggested[i] == max(joint, key=joint.__getitem__)


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
