"""Drift of the predicted classes: what it says of the same, of other, and of few predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.manifest import Manifest
from models.repository import SHIPPED, ModelRepository
from service.telemetry.drift import WINDOW, ClassDrift


@pytest.fixture
def manifest() -> Manifest:
    return ModelRepository(SHIPPED).resolve().manifest


def predictions(counts: list[int]) -> list[int]:
    return np.repeat(np.arange(len(counts)), counts).tolist()


def test_the_predictions_of_the_validation_data_show_no_drift(manifest: Manifest) -> None:
    """A model that predicts what it predicted on the validation data is at distance 0 from it."""
    drift = ClassDrift.of(manifest)
    assert drift is not None
    assert manifest.validation_counts is not None
    assert drift.measure() is None
    drift.saw(predictions(manifest.validation_counts.sum(axis=0).tolist()))
    measured = drift.measure()
    assert measured is not None
    assert measured.distance == pytest.approx(0)
    assert measured.images == manifest.validation_counts.sum()


@given(st.lists(st.integers(0, 300), min_size=2, max_size=6), st.lists(st.integers(0, 300), min_size=6, max_size=6))
@settings(deadline=None)
def test_the_distance_is_the_share_that_would_have_to_move(expected: list[int], seen: list[int]) -> None:
    """It is what must be moved from class to class to make one distribution of the other, at most everything."""
    seen = seen[: len(expected)]
    if not sum(expected) or not sum(seen):
        return
    drift = ClassDrift(np.array(expected))
    drift.saw(predictions(seen))
    measured = drift.measure()
    assert measured is not None
    moved = sum(max(s / sum(seen) - e / sum(expected), 0) for s, e in zip(seen, expected, strict=True))
    assert measured.distance == pytest.approx(moved)
    assert 0 <= measured.by_chance <= 1


@pytest.mark.parametrize("images", [30, 300, 5000])
def test_what_chance_makes_is_told_beside_it(images: int) -> None:
    """Of predictions that are drawn as before, the distance is on average what is said to be expected by chance."""
    rng = np.random.default_rng(4)
    p = np.array([0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    distances, by_chance = [], []
    for _ in range(400):
        drift = ClassDrift(rng.multinomial(2000, p))
        drift.saw(predictions(rng.multinomial(images, p).tolist()))
        measured = drift.measure()
        assert measured is not None
        distances.append(measured.distance)
        by_chance.append(measured.by_chance)
    assert np.mean(by_chance) == pytest.approx(np.mean(distances), rel=0.1)


def test_the_latest_predictions_count() -> None:
    """A class that was seen long ago is forgotten: memory is bounded, and a drift that is over is over."""
    drift = ClassDrift(np.array([1, 1]))
    drift.saw([0] * WINDOW)
    drift.saw([1, 0] * (WINDOW // 2))
    measured = drift.measure()
    assert measured is not None
    assert measured.distance == 0
    assert measured.images == WINDOW


def test_without_calibration_there_is_nothing_to_compare_with(manifest: Manifest) -> None:
    """Of a model without validation counts no drift is told, rather than a wrong one."""
    assert ClassDrift.of(manifest.model_copy(update={"calibration": None})) is None
