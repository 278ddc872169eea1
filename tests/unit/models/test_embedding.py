"""Outliers by the distance of an embedding from every class."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.embedding import ALARM_RATE, EmbeddingStatistics

CLASSES, SIZE = 3, 6
RNG = np.random.default_rng(2)
CENTRES = RNG.normal(scale=10, size=(CLASSES, SIZE))
MIX = RNG.normal(size=(SIZE, SIZE)) * np.linspace(0.2, 2, SIZE)


def sample(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    return (CENTRES[labels] + rng.normal(size=(n, SIZE)) @ MIX).astype(np.float32), labels


def test_ordinary_images_rarely_alarm_and_strange_ones_do() -> None:
    """Fresh images like the fitted ones alarm about once in a hundred, images far from every class always."""
    statistics = EmbeddingStatistics.fit(*sample(10_000, 0), CLASSES)
    fresh, _ = sample(20_000, 1)
    rate = statistics.is_outlier(fresh).mean()
    # The threshold is a quantile of 5,000, the rate a share of 20,000: 5 standard deviations of both together.
    assert rate == pytest.approx(ALARM_RATE, abs=5 * np.sqrt(ALARM_RATE * (1 / 5_000 + 1 / 20_000)))
    far = fresh[:500] + 100 * RNG.choice([-1, 1], size=(500, SIZE))
    assert statistics.is_outlier(far).all()
    assert statistics.is_outlier(far).shape == (500,)


def test_distance_is_mahalanobis_to_the_nearest_class() -> None:
    """The distance is in standard deviations of the classes' common spread, even far from the origin."""
    offset = 50.0
    embeddings, labels = sample(10_000, 0)
    statistics = EmbeddingStatistics.fit(embeddings + offset, labels, CLASSES)
    fresh, _ = sample(200, 1)
    inverse = np.linalg.inv(MIX.T @ MIX)
    gaps = fresh[:, None].astype(np.float64) - CENTRES
    expected = np.sqrt(np.einsum("nkd,de,nke->nk", gaps, inverse, gaps)).min(axis=1)
    np.testing.assert_allclose(statistics.distance(fresh + offset), expected, rtol=0.1)


def test_the_order_of_classes_in_the_data_does_not_matter() -> None:
    """Samples whose classes alternate or come sorted are fitted like shuffled ones: no class is missed."""
    embeddings, labels = sample(4_000, 0)
    by_class = np.argsort(labels, kind="stable")
    smallest = np.bincount(labels).min()
    alternating = np.stack([np.flatnonzero(labels == k)[:smallest] for k in (0, 1)], axis=1).ravel()
    for order, classes in ((by_class, CLASSES), (alternating, 2)):
        statistics = EmbeddingStatistics.fit(embeddings[order], labels[order], classes)
        assert np.isfinite(statistics.means).all()
        assert statistics.is_outlier(embeddings[order]).mean() < 0.03


def test_a_class_without_samples_is_refused() -> None:
    """Statistics that would say nothing about a class are not made."""
    embeddings, labels = sample(100, 0)
    with pytest.raises(ValueError, match="two images of every class"):
        EmbeddingStatistics.fit(embeddings, labels, CLASSES + 1)


def test_an_unused_direction_does_not_raise_alarms() -> None:
    """A direction that the fitted images never use does not blow up rounding errors into alarms."""
    embeddings, labels = sample(4_000, 0)
    padded = np.concatenate([embeddings, np.zeros((len(embeddings), 1), np.float32)], axis=1)
    statistics = EmbeddingStatistics.fit(padded, labels, CLASSES)
    padded[:, -1] = 1e-4
    assert statistics.is_outlier(padded).mean() < 0.03


def test_statistics_survive_their_file_without_pickles(tmp_path: Path) -> None:
    """What is saved gives the same answers when loaded; the file holds plain arrays and a pickled one is refused."""
    statistics = EmbeddingStatistics.fit(*sample(1_000, 0), CLASSES)
    path = tmp_path / "embedding.npz"
    statistics.save(path)
    again = EmbeddingStatistics.load(path)
    fresh, _ = sample(50, 1)
    np.testing.assert_array_equal(again.distance(fresh), statistics.distance(fresh))
    assert again.threshold == statistics.threshold
    assert sorted(zipfile.ZipFile(path).namelist()) == ["means.npy", "threshold.npy", "whitening.npy"]

    harmful = np.array([{"not": "numbers"}], dtype=object)
    np.savez(path, means=harmful, whitening=statistics.whitening, threshold=np.float64(1))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        EmbeddingStatistics.load(path)


def test_statistics_that_nobody_fitted_call_nothing_an_outlier() -> None:
    """A model without calibration has no idea of its ordinary images: it raises no alarm."""
    strange = np.array([[1e9, -1e9, 0.0], [0.0, 0.0, 0.0]])
    assert EmbeddingStatistics.unfitted(3).is_outlier(strange).tolist() == [False, False]
