from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.evidence import Evidence
from audit.fit import fit_noise_model
from audit.posterior import score_rows
from audit.transition import grouped_transition, standout_pairs
from models.groups import SimilarityGroups


@pytest.mark.parametrize("name", ["asymmetric", "symmetric", "mixed"])
def test_the_transition_matrix_is_recovered(
    name: str, simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """With 4,000 rows every entry of the transition matrix is within .04 of the truth, the mean within .012."""
    upload = simulate(4000, noises[name], 1)
    noise = fit_noise_model(Evidence.checked(upload.probabilities, upload.given, groups))
    error = np.abs(noise.transition - noises[name])
    assert error.max() < 0.04
    assert error.mean() < 0.012


@pytest.mark.parametrize("n", [300, 4000])
def test_clean_labels_stay_clean(
    n: int, simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """The clean control: on clean labels the noise found is below 1 % on average, for few rows and for many."""
    rates = []
    for seed in range(5):
        upload = simulate(n, noises["clean"], seed)
        noise = fit_noise_model(Evidence.checked(upload.probabilities, upload.given, groups))
        rows = score_rows(upload.probabilities, upload.given, np.zeros(n, dtype=bool), groups, noise)
        rates.append(rows.p_wrong.mean())
    assert np.mean(rates) < 0.01


def test_counts_are_of_scored_rows(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """The expected counts of each given label sum to the rows that bear it."""
    upload = simulate(1000, noises["mixed"], 2)
    trusted = np.arange(1000) < 100
    noise = fit_noise_model(Evidence.checked(upload.probabilities, upload.given, groups, trusted=trusted))
    rows = score_rows(upload.probabilities, upload.given, trusted, groups, noise)
    np.testing.assert_allclose(rows.counts.sum(axis=0), np.bincount(upload.given, minlength=6))


def test_label_shift_is_followed(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """An upload in which a class is four times rarer than for the model has its class share recovered."""
    upload = simulate(6000, noises["asymmetric"], 3)
    keep = (upload.true != 0) | (np.arange(6000) % 4 == 0)
    evidence = Evidence.checked(upload.probabilities[keep], upload.given[keep], groups)
    noise = fit_noise_model(evidence)
    assert abs(noise.recalibration.prior[0] - (upload.true[keep] == 0).mean()) < 0.015
    assert np.abs(noise.transition - noises["asymmetric"]).max() < 0.05


def test_verified_labels_say_nothing_about_the_rate(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """A third of the rows verified and corrected leaves the transition of the others where it was."""
    upload = simulate(4000, noises["asymmetric"], 4)
    trusted = np.arange(4000) % 3 == 0
    corrected = np.where(trusted, upload.true, upload.given)
    noise = fit_noise_model(Evidence.checked(upload.probabilities, corrected, groups, trusted=trusted))
    assert np.abs(noise.transition - noises["asymmetric"]).max() < 0.06


def test_reviewing_the_worst_rows_does_not_hide_the_noise(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """Rows corrected from the top of the ranking keep informing the transition through their original labels."""
    upload = simulate(3000, noises["asymmetric"], 5)
    trusted = upload.true != upload.given
    trusted &= upload.probabilities[np.arange(3000), upload.given] < 0.01
    corrected = np.where(trusted, upload.true, upload.given)
    original = np.where(trusted, upload.given, -1)
    evidence = Evidence.checked(upload.probabilities, corrected, groups, trusted=trusted, original=original)
    assert np.abs(fit_noise_model(evidence).transition - noises["asymmetric"]).max() < 0.05


def test_groups_that_miss_a_pair_are_made_good(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """Without any groups, strong noise between look-alikes is still found pair by pair."""
    upload = simulate(4000, noises["asymmetric"], 6)
    alone = SimilarityGroups.singletons(groups.classes)
    noise = fit_noise_model(Evidence.checked(upload.probabilities, upload.given, alone))
    assert np.array_equal(noise.standouts, (noises["asymmetric"] > 0) & ~np.eye(6, dtype=bool))
    assert np.abs(noise.transition - noises["asymmetric"]).max() < 0.05


def test_no_pair_stands_out_of_symmetric_noise(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """Chance doesn't free pairs: under symmetric noise the background is one rate."""
    for seed in range(5):
        upload = simulate(2000, noises["symmetric"], seed)
        assert not fit_noise_model(Evidence.checked(upload.probabilities, upload.given, groups)).standouts.any()


def test_two_classes_are_enough() -> None:
    """A two-class upload recovers its one-way noise."""
    rng = np.random.default_rng(0)
    true = rng.integers(2, size=3000)
    sure = rng.beta(8, 1, size=3000)
    right = rng.random(3000) < sure
    p = np.where(np.eye(2, dtype=bool)[np.where(right, true, 1 - true)], sure[:, None], 1 - sure[:, None])
    given = np.where((true == 0) & (rng.random(3000) < 0.3), 1, true)
    groups = SimilarityGroups.from_lists(["cat", "dog"], [["cat", "dog"]])
    transition = fit_noise_model(Evidence.checked(p, given, groups)).transition
    np.testing.assert_allclose(transition, [[0.7, 0.3], [0, 1]], atol=0.05)


def test_a_thousand_classes_are_fitted() -> None:
    """A thousand classes with few rows each pool their background and recover the common rates."""
    K, n = 1000, 4000
    rng = np.random.default_rng(0)
    groups = SimilarityGroups([f"c{i}" for i in range(K)], np.kron(np.eye(K // 2), np.ones((2, 2))).astype(bool))
    likely = rng.integers(K, size=n)
    p = np.full((n, K), 0.01 / (K - 2), dtype=np.float32)
    p[np.arange(n), likely] = 0.95
    p[np.arange(n), likely ^ 1] = 0.04
    true = (rng.random(n)[:, None] > np.cumsum(p, axis=1, dtype=np.float64)).sum(axis=1).clip(0, K - 1)
    given = np.where(rng.random(n) < 0.2, true ^ 1, true)
    noise = fit_noise_model(Evidence.checked(p, given, groups))
    assert abs(noise.transition.diagonal().mean() - 0.8) < 0.05


def test_few_rows_lean_on_the_other_classes() -> None:
    """A class with two rows takes the common rate of its kind of pair, not its own 50 %."""
    counts = np.diag([500.0, 500.0, 500.0, 1.0])
    counts[3, 2] = 1.0
    free = np.kron(np.eye(2), np.ones((2, 2))).astype(bool) & ~np.eye(4, dtype=bool)
    assert grouped_transition(counts, free)[3, 2] < 0.06


def test_a_pair_stands_out_by_count_not_by_share() -> None:
    """One error among few rows doesn't make a pair; forty among few do."""
    counts = np.diag([20.0, 500.0, 500.0, 500.0])
    free = np.zeros((4, 4), dtype=bool)
    counts[0, 1] = 1.0
    assert not standout_pairs(counts, free).any()
    counts[0, 1] = 40.0
    assert np.argwhere(standout_pairs(counts, free)).tolist() == [[0, 1]]
