"""Confidence labels from verified samples."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.audited_labels import count_labels, labels_from_counts, transition_from_counts
from models.groups import SimilarityGroups

CLASSES = "abcdef"
PAIRS = SimilarityGroups.from_lists("abcd", ["ab", "cd"])


def flips(rate: float, per_class: int, seed: int = 0) -> NDArray[np.int64]:
    """Counts of ``per_class`` verified samples of four classes, each flipped inside its pair at ``rate``."""
    truth = np.repeat(np.arange(4), per_class)
    flipped = np.random.default_rng(seed).random(len(truth)) < rate
    return count_labels(truth, np.where(flipped, truth ^ 1, truth), 4)


@st.composite
def audits(draw: st.DrawFn) -> tuple[NDArray[np.int64], SimilarityGroups]:
    size = draw(st.integers(2, 6))
    lists = draw(st.lists(st.sets(st.sampled_from(CLASSES[:size]), min_size=1), max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = rng.poisson(draw(st.sampled_from([0.2, 3.0, 60.0])), (size, size)) * rng.integers(0, 2, (size, 1))
    counts[0, 0] += 1
    return counts, SimilarityGroups.from_lists(CLASSES[:size], lists)


@given(audits())
@settings(deadline=None)
def test_any_counts_give_labels(audit: tuple[NDArray[np.int64], SimilarityGroups]) -> None:
    """Whatever was counted, labels and transition are distributions, and the given class is always possible."""
    counts, groups = audit
    audited = labels_from_counts(counts, groups)
    assert np.allclose(audited.transition.sum(axis=1), 1)
    assert (audited.confidence_labels.untrusted_matrix.diagonal() > 0).all()
    assert (audited.transition[groups.membership] > 0).all()
    assert np.array_equal(audited.confidence_labels.trusted_matrix, np.eye(len(counts)))


@given(st.sampled_from([0.0, 0.1, 0.2, 0.8]), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_many_samples_tell_the_rates(rate: float, seed: int) -> None:
    """From a thousand verified samples a class, the rates are found to within three hundredths."""
    audited = labels_from_counts(flips(rate, 1000, seed), PAIRS)
    truth = np.kron(np.eye(2), [[1 - rate, rate], [rate, 1 - rate]])
    np.testing.assert_allclose(audited.transition, truth, atol=0.05)
    assert audited.silent == []


def test_labels_of_a_coin_say_nothing() -> None:
    """Where half of a pair's labels are flipped, the label of either class is about the same for both."""
    labels = labels_from_counts(flips(0.5, 100), PAIRS).confidence_labels.untrusted_matrix
    np.testing.assert_allclose(labels[:2, :2], 0.5, atol=0.06)
    np.testing.assert_allclose(labels[2:, 2:], 0.5, atol=0.06)
    independent = np.kron(np.eye(2, dtype=np.int64), np.full((2, 2), 50))
    audited = labels_from_counts(independent, PAIRS)
    assert audited.silent == [["a", "b"], ["c", "d"]]
    np.testing.assert_allclose(audited.confidence_labels.untrusted_matrix, np.kron(np.eye(2), np.full((2, 2), 0.5)))


def test_shrinking_errs_less_than_counting_where_labels_say_nothing() -> None:
    """With half of the labels flipped, labels are found to say less than half of what counts make of them by chance."""
    rate = 0.5

    def error(rates: NDArray[np.float64]) -> float:
        said = rates[0, 0] + rates[1, 1] - 1
        return float(said - (1 - 2 * rate)) ** 2

    audits = [flips(rate, 100, seed) for seed in range(300)]
    counted = np.mean([error(counts / counts.sum(axis=1, keepdims=True)) for counts in audits])
    shrunk = np.mean([error(labels_from_counts(counts, PAIRS).transition) for counts in audits])
    assert shrunk < counted / 2


def test_few_samples_lean_on_their_group() -> None:
    """With five samples a class, one class's luck counts little: the pair's rates are those of both together."""
    counts = np.array([[0, 5, 0, 0], [3, 2, 0, 0], [0, 0, 5, 0], [0, 0, 0, 5]])
    rates = transition_from_counts(counts, PAIRS)
    assert 0.6 < rates[0, 1] < 0.9
    assert 0.6 < rates[1, 0] < 0.9
    assert rates[2, 2] > 0.9
    assert rates[0, 2] == rates[2, 0] == 0


def test_a_class_nobody_verified_takes_its_group_s_rates() -> None:
    """A class without verified samples has the rates of its partner; one that stands alone keeps its label."""
    counts = np.array([[20, 80, 0], [0, 0, 0], [0, 0, 0]])
    rates = transition_from_counts(counts, SimilarityGroups.from_lists("abc", ["ab"]))
    assert rates[1, 0] == pytest.approx(0.8, abs=0.02)
    assert rates[2, 2] == 1


def test_nothing_verified_is_refused() -> None:
    """Without a verified sample there is nothing to count, and that is said."""
    with pytest.raises(ValueError, match="no verified samples"):
        labels_from_counts(np.zeros((4, 4), dtype=np.int64), PAIRS)


def test_counting_is_counting() -> None:
    """Each sample is counted at its true class and the label that it had."""
    counts: Any = count_labels(np.array([0, 0, 1, 2]), np.array([1, 1, 1, 0]), 3)
    assert counts.tolist() == [[0, 2, 0], [0, 1, 0], [1, 0, 0]]
