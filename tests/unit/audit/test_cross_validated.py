from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.cross_validated import CrossValidatedFit, audit_cross_validated, fit_cross_validated
from audit.posterior import score_rows
from audit.probe import Probe, ProbeSums
from models.groups import SimilarityGroups

PAIRS = [(0, 1), (2, 3), (4, 5)]
CLASSES = [f"c{i}" for i in range(6)]
GROUPS = SimilarityGroups.from_lists(CLASSES, [[CLASSES[a], CLASSES[b]] for a, b in PAIRS])
WRONG = SimilarityGroups.from_lists(CLASSES, [["c0", "c3"], ["c1", "c4"], ["c2", "c5"]])


def probed(n: int, transition: NDArray[np.float64], seed: int) -> tuple[Any, Any, Any]:
    """Images as points, their labels through ``transition``, and the probe's out-of-sample probabilities of these."""
    rng = np.random.default_rng(seed)
    K = len(transition)
    centres = np.repeat(rng.standard_normal((K // 2, 6)) * 6, 2, axis=0)
    centres[::2, 0] += 3.0
    true = rng.integers(K, size=n)
    x = centres[true] + rng.standard_normal((n, 6))
    given = (rng.random(n)[:, None] > np.cumsum(transition[true], axis=1)).sum(axis=1).clip(0, K - 1)
    rows = np.arange(n)
    probe = Probe.fit(ProbeSums.of(x, given, rows, K))
    return probe.calibrated(probe.logits(x, rows), given).probabilities(x, rows), true, given


def average_precision(score: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    ranked = wrong[np.argsort(-score, kind="stable")]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())


def one_way(rate: float) -> NDArray[np.float64]:
    transition = np.eye(6)
    for a, b in PAIRS:
        transition[a, a], transition[a, b] = 1 - rate, rate
    return transition


@pytest.mark.parametrize("name", ["asymmetric", "symmetric", "mixed"])
@pytest.mark.parametrize("groups", [GROUPS, None])
def test_the_noise_is_recovered_from_a_model_fitted_on_it(
    name: str, groups: SimilarityGroups | None, *, noises: dict[str, NDArray[np.float64]]
) -> None:
    """The probe learned the noisy labels; transition, rate and ranking come out all the same, groups given or not."""
    p, true, given = probed(4000, noises[name], 1)
    result = audit_cross_validated(p, given, CLASSES, groups, seed=0)
    wrong = true != given
    assert np.abs(result.noise.transition - noises[name]).max() < 0.05
    assert abs(result.rows.p_wrong.mean() - wrong.mean()) < 0.02
    assert average_precision(result.rows.log_odds, wrong) > average_precision(-p[np.arange(4000), given], wrong) - 0.01


def test_one_direction_is_told_from_both() -> None:
    """Noise from shirt to T-shirt alone leaves the way back near zero, and ranks far above plain self-confidence."""
    p, true, given = probed(4000, one_way(0.3), 2)
    result = audit_cross_validated(p, given, CLASSES, GROUPS, seed=0)
    np.testing.assert_allclose(result.noise.transition, one_way(0.3), atol=0.06)
    wrong = true != given
    assert average_precision(result.rows.log_odds, wrong) > average_precision(-p[np.arange(4000), given], wrong) + 0.1


@pytest.mark.parametrize("groups", [GROUPS, WRONG, None])
def test_clean_labels_stay_clean(groups: SimilarityGroups | None) -> None:
    """Of correct labels at most one in two hundred is flagged, whatever the groups."""
    p, _, given = probed(4000, np.eye(6), 3)
    result = audit_cross_validated(p, given, CLASSES, groups, seed=0)
    assert result.rows.flagged.mean() <= 0.005
    assert result.report.asymmetry.verdict == "clean"


def test_groups_are_discovered(noises: dict[str, NDArray[np.float64]]) -> None:
    """Where none are given, the pairs of the noise become the groups of the answer."""
    p, _, given = probed(4000, noises["asymmetric"], 4)
    result = audit_cross_validated(p, given, CLASSES, None, seed=0)
    assert result.report.groups.as_lists() == GROUPS.as_lists()
    assert result.report.asymmetry.verdict == "asymmetric"


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_one_direction_among_three_classes_is_found(seed: int) -> None:
    """With as few classes as three, and without groups, noise from one class to another is found and called that."""
    rng = np.random.default_rng(seed)
    true = rng.integers(3, size=1500)
    x = 3 * np.eye(3)[true] + rng.standard_normal((1500, 3))
    given = np.where((true == 0) & (rng.random(1500) < 0.25), 1, true)
    probe = Probe.fit(ProbeSums.of(x, given, np.arange(1500), 3))
    p = probe.calibrated(probe.logits(x, np.arange(1500)), given).probabilities(x, np.arange(1500))
    report = audit_cross_validated(p, given, ["a", "b", "c"], None, seed=0).report
    assert report.groups.as_lists() == [["a", "b"]]
    assert report.asymmetry.verdict == "asymmetric"
    assert abs(report.noise_rate.estimate - (true != given).mean()) < 0.02


def test_noise_in_a_ring_of_three_classes_is_not_called_symmetric() -> None:
    """Where every pair of classes is mixed up, one way, all are one group: no verdict, and the reason for it."""
    rng = np.random.default_rng(14)
    true = rng.integers(3, size=3000)
    x = 3 * np.eye(3)[true] + rng.standard_normal((3000, 3))
    given = np.where(rng.random(3000) < 0.2, (true + 1) % 3, true)
    probe = Probe.fit(ProbeSums.of(x, given, np.arange(3000), 3))
    p = probe.calibrated(probe.logits(x, np.arange(3000)), given).probabilities(x, np.arange(3000))
    report = audit_cross_validated(p, given, ["a", "b", "c"], None, seed=0).report
    assert report.asymmetry.verdict == "insufficient"
    assert any("all classes are in one similarity group" in warning for warning in report.warnings)
    assert report.rates[0, 1] > 0.1 > report.rates[0, 2]


def test_wrong_groups_hurt_little(noises: dict[str, NDArray[np.float64]]) -> None:
    """Groups that have nothing to do with the noise cost less than .01 of average precision against none."""
    for name in ("asymmetric", "symmetric", "mixed"):
        p, true, given = probed(4000, noises[name], 5)
        found = [
            average_precision(audit_cross_validated(p, given, CLASSES, groups, seed=0).rows.log_odds, true != given)
            for groups in (WRONG, None)
        ]
        assert found[0] > found[1] - 0.01


def test_trusted_rows_are_believed(noises: dict[str, NDArray[np.float64]]) -> None:
    """Verified labels are never flagged, and what they said before tells of the transition."""
    p, true, given = probed(2000, noises["asymmetric"], 6)
    trusted = np.arange(2000) < 500
    corrected = np.where(trusted, true, given)
    result = audit_cross_validated(
        p, corrected, CLASSES, GROUPS, trusted=trusted, original=np.where(trusted, given, -1), seed=0
    )
    assert not result.rows.flagged[trusted].any()
    assert np.abs(result.noise.transition - noises["asymmetric"]).max() < 0.08


def test_all_rows_trusted_is_an_answer(simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]]) -> None:
    """With nothing left in doubt, nothing is flagged."""
    upload = simulate(300, noises["clean"], 7)
    result = audit_cross_validated(
        upload.probabilities, upload.given, CLASSES, None, trusted=np.ones(300, dtype=bool), seed=0
    )
    assert not result.rows.flagged.any()


def test_fit_and_scores_may_run_apart(noises: dict[str, NDArray[np.float64]]) -> None:
    """A fit that was written and read scores a chunk to the same last digit as the whole."""
    p, _, given = probed(1500, noises["mixed"], 8)
    fit = fit_cross_validated(p, given, CLASSES, None)
    again = CrossValidatedFit.from_arrays(fit.to_arrays(), CLASSES)
    trusted = np.zeros(1500, dtype=bool)
    whole = score_rows(fit.clean(p), given, trusted, fit.groups, fit.noise)
    part = slice(700, 900)
    chunk = score_rows(again.clean(p[part]), given[part], trusted[part], again.groups, again.noise)
    assert np.array_equal(chunk.log_odds, whole.log_odds[part])


def test_rounded_columns_are_welcome(noises: dict[str, NDArray[np.float64]]) -> None:
    """Probabilities rounded to four digits, zeros and all, lose next to nothing."""
    p, true, given = probed(3000, noises["asymmetric"], 9)
    rounded = np.round(p, 4).astype(np.float32)
    fine, rough = (
        average_precision(audit_cross_validated(each, given, CLASSES, GROUPS, seed=0).rows.log_odds, true != given)
        for each in (p, rounded)
    )
    assert rough > fine - 0.02


def test_many_classes_are_fitted() -> None:
    """A hundred classes of forty rows each pool their rates."""
    K, n = 100, 4000
    rng = np.random.default_rng(0)
    true = rng.integers(K, size=n)
    margin = 8 + 4 * rng.standard_normal(n)  # of true class above its look-alike; clean odds of two Gaussians
    logits = rng.standard_normal((n, K))
    logits[np.arange(n), true], logits[np.arange(n), true ^ 1] = 9 + 0.15 * margin, 9 - 0.15 * margin
    given = np.where(rng.random(n) < 0.2, true ^ 1, true)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    classes = [f"c{i}" for i in range(K)]
    groups = SimilarityGroups(classes, np.kron(np.eye(K // 2), np.ones((2, 2))).astype(bool))
    result = audit_cross_validated(p, given, classes, groups, seed=0)
    assert abs(result.noise.transition.diagonal().mean() - 0.8) < 0.05


@pytest.mark.parametrize("kind", ["look-alikes", "any", "none"])
def test_a_hundred_classes_of_twenty_rows_rank_no_worse_than_plain_scores(kind: str) -> None:
    """With few rows a class and no groups named: far ahead where look-alikes are mixed up, level elsewhere."""
    K, n = 100, 2000
    rng = np.random.default_rng(11)
    centres = np.repeat(rng.standard_normal((K // 2, 24)), 2, axis=0) + 0.45 * rng.standard_normal((K, 24))
    true = rng.integers(K, size=n)
    x = centres[true] + 0.5 * rng.standard_normal((n, 24)) * np.exp(0.3 * rng.standard_normal((n, 1)))
    other = true ^ 1 if kind == "look-alikes" else (true + rng.integers(1, K, size=n)) % K
    given = np.where(rng.random(n) < (0.0 if kind == "none" else 0.2), other, true)
    probe = Probe.fit(ProbeSums.of(x, given, np.arange(n), K))
    p = probe.calibrated(probe.logits(x, np.arange(n)), given).probabilities(x, np.arange(n))
    result = audit_cross_validated(p, given, [f"c{i}" for i in range(K)], None, seed=0)
    wrong = true != given
    if kind == "none":
        assert result.rows.flagged.mean() <= 0.005
        return
    confidence = p[np.arange(n), given].copy()
    p[np.arange(n), given] = 0.0
    best = max(average_precision(score, wrong) for score in (-confidence, p.max(axis=1) - confidence))
    assert average_precision(result.rows.log_odds, wrong) > best - 0.01
