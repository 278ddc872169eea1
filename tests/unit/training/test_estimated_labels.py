"""What ``strong`` takes for the truth about the noise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.groups import SimilarityGroups
from training.estimated_labels import estimate_labels
from training.noise import Noise
from training.training_set import Protocol, TrainingLabels

GROUPS = SimilarityGroups.from_lists("abcd", ["ab", "cd"])


def drawn(ratio: float, protocol: Protocol) -> TrainingLabels:
    return TrainingLabels.draw(
        np.arange(8000),
        np.arange(8000) % 4,
        GROUPS,
        noise=Noise("asymmetric", ratio),
        trusted=800,
        protocol=protocol,
        rng=np.random.default_rng(0),
    )


def never() -> NDArray[np.float64]:
    raise AssertionError


def test_what_labels_said_before_is_counted() -> None:
    """Where verification changed labels, flips are counted, no network is trained, and the numbers are said."""
    estimated = estimate_labels(drawn(0.4, "verified"), GROUPS, never)
    matrix = estimated.confidence_labels.untrusted_matrix
    np.testing.assert_allclose(matrix, np.kron(np.eye(2), [[0.6, 0.4], [0.4, 0.6]]), atol=0.08)
    assert "flip rates by what trusted samples said before (800 samples): a 0." in estimated.how


def test_groups_whose_labels_say_nothing_are_named() -> None:
    """Of labels that are half wrong, it is said that they say nothing inside their groups, or next to nothing."""
    estimated = estimate_labels(drawn(0.5, "verified"), GROUPS, never)
    matrix = estimated.confidence_labels.untrusted_matrix
    np.testing.assert_allclose(matrix, np.kron(np.eye(2), np.full((2, 2), 0.5)), atol=0.05)


def test_without_an_audit_a_network_that_learnt_the_noise_is_asked() -> None:
    """Where trusted samples are the unflipped ones they show no flips; a noisy network's predictions on them do."""
    labels = drawn(0.4, "paper")
    seen = np.kron(np.eye(2), [[0.6, 0.4], [0.4, 0.6]])[labels.given[labels.trusted]]
    estimated = estimate_labels(labels, GROUPS, lambda: seen)
    matrix = estimated.confidence_labels.untrusted_matrix
    np.testing.assert_allclose(matrix, np.kron(np.eye(2), [[0.6, 0.4], [0.4, 0.6]]), atol=1e-9)
    assert "what a network that learnt the noise sees" in estimated.how
    assert "a 0.40" in estimated.how


def test_each_class_needs_a_trusted_sample_for_a_noisy_head() -> None:
    """A class that nobody verified can't be estimated by a network, and is named."""
    labels = drawn(0.4, "paper")
    labels.trusted[labels.given == 2] = False
    with pytest.raises(ValueError, match="no sample is labelled as class 2"):
        estimate_labels(labels, GROUPS, lambda: np.full((600, 4), 0.25))
