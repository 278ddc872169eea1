"""Similarity scores, and the groups and confidence labels that follow from them."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.similarity import (
    groups_from_similarity,
    labels_from_similarity,
    mean_similarity,
    similarity_from_predictions,
)


@st.composite
def similarities(draw: st.DrawFn) -> NDArray[np.float64]:
    size = draw(st.integers(2, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.dirichlet(np.full(size, draw(st.sampled_from([0.3, 1.0, 5.0]))), size=size) + 1e-6


def names(similarity: NDArray[np.float64]) -> str:
    return "abcdefgh"[: len(similarity)]


@given(similarities(), st.sampled_from(["softmax", "normalised"]), st.sampled_from([None, 0.0, 1.0]))
@settings(max_examples=100, deadline=None)
def test_labels_are_distributions_over_their_groups(similarity: NDArray[Any], scores: Any, deviations: Any) -> None:
    """Whatever the scores, each label is a distribution whose support is the class's group, the class among it."""
    groups = groups_from_similarity(names(similarity), similarity, deviations=deviations)
    labels = labels_from_similarity(similarity, groups, scores=scores)
    for matrix in (labels.untrusted_matrix, labels.trusted_matrix):
        assert np.allclose(matrix.sum(axis=1), 1)
        assert ((matrix > 0) == groups.membership).all()
    alone = groups.membership.sum(axis=1) == 1
    assert np.allclose(labels.trusted_matrix.diagonal(), np.where(alone, 1, 0.95))


@given(similarities())
@settings(max_examples=50, deadline=None)
def test_scores_are_the_papers_formulas(similarity: NDArray[Any]) -> None:
    """Groups by mean plus one standard deviation, scores by softmax over the group (eqs. 2 and 3), one at a time."""
    groups = groups_from_similarity(names(similarity), similarity, deviations=1)
    labels = labels_from_similarity(similarity, groups).untrusted
    for a, row in enumerate(similarity.tolist()):
        mean = sum(row) / len(row)
        threshold = mean + math.sqrt(sum((x - mean) ** 2 for x in row) / len(row))
        group = [b for b, x in enumerate(row) if x > threshold or b == a]
        assert np.flatnonzero(groups.membership[a]).tolist() == group
        for b in group:
            assert labels[a][b] == pytest.approx(math.exp(row[b]) / sum(math.exp(row[c]) for c in group))


def test_few_classes_keep_their_partners() -> None:
    """Among ten classes a partner with a quarter of the mass stays by default, though not by the paper's rule."""
    similarity = np.zeros((10, 10))
    for a in range(10):
        similarity[a, a], similarity[a, a ^ 1] = 0.75, 0.25
    assert groups_from_similarity("abcdefghij", similarity).membership.sum() == 20
    assert groups_from_similarity("abcdefghij", similarity, deviations=1).membership.sum() == 10


def test_similarity_is_the_mean_prediction_of_each_label() -> None:
    """Each row is the mean of the predictions for samples with that label; a label without samples is refused."""
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]])
    assert np.allclose(similarity_from_predictions(probabilities, np.array([0, 0, 1])), [[0.8, 0.2], [0.4, 0.6]])
    with pytest.raises(ValueError, match="class 1"):
        similarity_from_predictions(probabilities, np.array([0, 0, 0]))


def test_better_models_weigh_more() -> None:
    """Several models are averaged by their weights."""
    mixed = mean_similarity([np.eye(2), np.full((2, 2), 0.5)], weights=[3, 1])
    assert np.allclose(mixed, [[0.875, 0.125], [0.125, 0.875]])


def test_scores_that_cannot_be_normalised_are_refused() -> None:
    """Normalised scores must be positive where a group has members."""
    similarity = np.array([[1.0, -0.5], [0.0, 1.0]])
    groups = groups_from_similarity("ab", similarity, deviations=-10)
    with pytest.raises(ValueError, match="positive"):
        labels_from_similarity(similarity, groups, scores="normalised")
