from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.probe import Probe, ProbeSums, fold_of


def blobs(n: int, K: int, D: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((K, D)) * 2
    labels = rng.integers(K, size=n)
    return (centres[labels] + rng.standard_normal((n, D)) + 3).astype(np.float32), labels


def test_sums_of_chunks_are_the_sums_of_the_whole() -> None:
    """However a file is cut, the probe sees the same sums, and the same probe comes of them."""
    x, labels = blobs(500, 4, 6, 0)
    rows = np.arange(500)
    whole = ProbeSums.of(x, labels, rows, 4)
    cut = ProbeSums.of(x[:123], labels[:123], rows[:123], 4) + ProbeSums.of(x[123:], labels[123:], rows[123:], 4)
    for name, array in whole.to_arrays().items():
        np.testing.assert_allclose(cut.to_arrays()[name], array, rtol=1e-12)
    one, two = Probe.fit(whole), Probe.fit(cut)
    np.testing.assert_allclose(one.logits(x, rows), two.logits(x, rows), rtol=1e-8, atol=1e-8)


def test_a_row_is_scored_without_its_label() -> None:
    """Another label for a row leaves its own probabilities as they are, and changes those of other folds."""
    x, labels = blobs(300, 3, 5, 1)
    rows = np.arange(300)
    changed = labels.copy()
    changed[7] = (labels[7] + 1) % 3
    before, after = (
        Probe.fit(ProbeSums.of(x, each, rows, 3), 0.01).probabilities(x, rows) for each in (labels, changed)
    )
    same = fold_of(rows) == fold_of(rows[7:8])
    assert np.array_equal(before[same], after[same])
    assert not np.allclose(before[~same], after[~same], rtol=1e-9, atol=0)


def test_two_hundred_rows_are_enough_for_the_easy_classes() -> None:
    """With 200 rows and more numbers an embedding than rows, the shrinkage still finds separable classes."""
    x, labels = blobs(200, 5, 400, 2)
    probe = Probe.fit(ProbeSums.of(x, labels, np.arange(200), 5))
    assert (probe.probabilities(x, np.arange(200)).argmax(axis=1) == labels).mean() > 0.95
    assert probe.shrinkage >= 0.1


def test_two_classes_and_a_class_without_rows() -> None:
    """Two classes do, and a class that no row is labelled with gets next to no probability."""
    x, labels = blobs(400, 2, 3, 3)
    rows = np.arange(400)
    two = Probe.fit(ProbeSums.of(x, labels, rows, 2))
    assert (two.probabilities(x, rows).argmax(axis=1) == labels).mean() > 0.9
    three = Probe.fit(ProbeSums.of(x, labels, rows, 3))
    p = three.probabilities(x, rows)
    assert np.isfinite(p).all()
    assert p[:, 2].mean() < 0.05


def test_a_rare_class_is_found() -> None:
    """Fifteen rows of a class among two thousand are mostly predicted as it."""
    x, labels = blobs(2000, 3, 8, 4)
    keep = (labels != 2) | (np.cumsum(labels == 2) <= 15)
    x, labels = x[keep], labels[keep]
    rows = np.arange(len(labels))
    predicted = Probe.fit(ProbeSums.of(x, labels, rows, 3)).probabilities(x, rows).argmax(axis=1)
    assert (predicted[labels == 2] == 2).mean() > 0.6


def test_calibration_explains_the_labels_best() -> None:
    """A probe made a third sharper or blunter than the calibrated one explains the noisy labels worse."""
    x, labels = blobs(4000, 4, 4, 5)
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(4000) < 0.2, rng.integers(4, size=4000), labels)
    rows = np.arange(4000)
    probe = Probe.fit(ProbeSums.of(x, noisy, rows, 4))
    probe = probe.calibrated(probe.logits(x, rows), noisy)
    losses = [
        -np.log(replace(probe, sharpness=probe.sharpness * factor).probabilities(x, rows)[rows, noisy]).mean()
        for factor in (0.75, 1.0, 1.33)
    ]
    assert losses[1] == min(losses)


def test_the_unit_of_an_encoder_is_of_no_consequence() -> None:
    """Of two encoders side by side, one in units a thousand times smaller counts as before."""
    x, labels = blobs(600, 3, 6, 6)
    rows = np.arange(600)
    units = np.array([1, 1, 1, 1e-3, 1e-3, 1e-3])
    one = Probe.fit(ProbeSums.of(x, labels, rows, 3), 0.1).logits(x, rows)
    two = Probe.fit(ProbeSums.of(x * units, labels, rows, 3), 0.1).logits(x * units, rows)
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)


def test_folds_are_of_one_size_and_free_of_order() -> None:
    """Each fold holds about a fifth of the rows, and a row's fold depends on its number alone."""
    rows = np.arange(10_000)
    fold = fold_of(rows)
    assert np.abs(np.bincount(fold, minlength=5) / 10_000 - 0.2).max() < 0.02
    assert np.array_equal(fold_of(rows[::-1]), fold[::-1])


def test_a_probe_survives_a_file() -> None:
    """Arrays written and read make the same probe and the same sums."""
    x, labels = blobs(100, 3, 4, 7)
    rows = np.arange(100)
    sums = ProbeSums.from_arrays(ProbeSums.of(x, labels, rows, 3).to_arrays())
    probe = Probe.fit(sums)
    again = Probe.from_arrays(probe.to_arrays())
    assert np.array_equal(again.probabilities(x, rows), probe.probabilities(x, rows))


def test_no_row_is_an_error() -> None:
    """A probe without any row is turned down in words."""
    with pytest.raises(ValueError, match="no row"):
        Probe.fit(ProbeSums.of(np.zeros((0, 3)), np.zeros(0, dtype=int), np.arange(0), 2))
