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


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_distance_is_mahalanobis_in_direction_and_length(offset: float) -> None:
    """The distance is the slow formula's, in directions and log lengths, even where all directions are nearly one."""

    def polar(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        length = np.sqrt((embeddings.astype(np.float64) ** 2).sum(axis=1))
        return np.column_stack([embeddings / length[:, None], np.log(length)])

    embeddings, labels = sample(10_000, 0)
    embeddings += np.float32(offset)
    statistics = EmbeddingStatistics.fit(embeddings, labels, CLASSES)
    points = polar(embeddings)
    means = np.stack([points[labels == k].mean(axis=0) for k in range(CLASSES)])
    covariance = np.cov((points - means[labels]).T)
    inverse = np.linalg.inv(covariance + 0.1 * covariance.diagonal().mean() * np.eye(SIZE + 1))
    fresh = sample(200, 1)[0] + np.float32(offset)
    gaps = polar(fresh)[:, None] - means
    expected = np.sqrt(np.einsum("nkd,de,nke->nk", gaps, inverse, gaps)).min(axis=1)
    np.testing.assert_allclose(statistics.distance(fresh), expected, rtol=0.1)


def test_an_embedding_of_unheard_of_length_is_an_outlier() -> None:
    """Ordinary directions don't excuse a length ten times the usual or a tenth of it, nor nothing at all, nor NaN."""
    embeddings, labels = sample(4_000, 0)
    statistics = EmbeddingStatistics.fit(embeddings, labels, CLASSES)
    ordinary = embeddings[:200]
    assert statistics.is_outlier(ordinary).mean() < 0.05
    assert statistics.is_outlier(ordinary * 10).all()
    assert statistics.is_outlier(ordinary / 10).all()
    assert statistics.is_outlier(np.array([[0.0] * SIZE, [np.nan] * SIZE])).all()


def test_statistics_of_earlier_artifacts_mean_what_they_meant(tmp_path: Path) -> None:
    """A file that says nothing of direction and length is about the embedding itself."""
    rng = np.random.default_rng(5)
    path = tmp_path / "embedding.npz"
    np.savez(path, means=CENTRES, whitening=np.linalg.inv(MIX), threshold=np.float64(3))
    shifts = rng.normal(size=(50, SIZE))
    found = EmbeddingStatistics.load(path).distance(CENTRES[0] + shifts @ MIX)
    np.testing.assert_allclose(found, np.linalg.norm(shifts, axis=1), rtol=1e-3)


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
    assert sorted(zipfile.ZipFile(path).namelist()) == ["means.npy", "polar.npy", "threshold.npy", "whitening.npy"]

    harmful = np.array([{"not": "numbers"}], dtype=object)
    np.savez(path, means=harmful, whitening=statistics.whitening, threshold=np.float64(1))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        EmbeddingStatistics.load(path)


def test_statistics_that_nobody_fitted_call_nothing_an_outlier() -> None:
    """A model without calibration has no idea of its ordinary images: it raises no alarm."""
    strange = np.array([[1e9, -1e9, 0.0], [0.0, 0.0, 0.0]])
    assert EmbeddingStatistics.unfitted(3).is_outlier(strange).tolist() == [False, False]
