"""Scores of a batch: what follows from a graph's outputs, cut and joined without a number changing."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.distribution import class_probabilities, group_probabilities
from models.embedding import EmbeddingStatistics
from models.manifest import Manifest
from models.scores import Scores

STATISTICS = EmbeddingStatistics(np.zeros((4, 2), np.float32), np.eye(2, dtype=np.float32), threshold=3.0)
MakeManifest = Callable[..., Manifest]


def scores(manifest: Manifest, n: int, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    logits, embeddings = rng.normal(size=(n, 4)), rng.normal(scale=3, size=(n, 2))
    return Scores.of(logits.astype(np.float32), embeddings.astype(np.float32), manifest, STATISTICS)


def same(one: Scores, other: Scores) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.arrays(), other.arrays(), strict=True))


def test_scores_follow_from_logits_and_manifest(make_manifest: MakeManifest) -> None:
    """Probabilities, masses, ranking and outliers are those of the manifest's temperature, groups and statistics."""
    manifest = make_manifest()
    found = scores(manifest, 50)
    groups = manifest.similarity_groups
    expected = class_probabilities(found.logits, groups, manifest.temperature)
    assert np.array_equal(found.probabilities, expected)
    assert np.array_equal(found.group_probabilities, group_probabilities(expected, groups))
    assert (np.diff(np.take_along_axis(expected, found.ranking, axis=1), axis=1) <= 0).all()
    assert np.array_equal(found.outliers, STATISTICS.is_outlier(found.embeddings))
    assert 0 < found.outliers.sum() < 50


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_what_is_cut_and_joined_is_as_before(make_manifest: MakeManifest, sizes: list[int]) -> None:
    """Each request gets the scores of its own images, and several batches make one again."""
    whole = scores(make_manifest(), sum(sizes))
    parts = list(whole.split(sizes))
    assert [len(part) for part in parts] == sizes
    assert same(Scores.joined(parts), whole)


def test_scores_of_another_number_of_images_are_refused(make_manifest: MakeManifest) -> None:
    """A model that returned too little is noticed when its scores are handed out."""
    with pytest.raises(ValueError, match="scores of 3 images for 4"):
        list(scores(make_manifest(), 3).split([2, 2]))
