"""Calibration finds what was put into simulated logits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.calibration import calibrate, fit_temperature
from models.distribution import Temperature, class_probabilities
from models.groups import SimilarityGroups
from models.metrics import evaluate

PAIRS = SimilarityGroups.from_lists("abcd", ["ab", "cd"])


def simulate(
    truth: Temperature, groups: SimilarityGroups, n: int = 8000
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits, and labels drawn from the probabilities that they mean at the true temperatures."""
    rng = np.random.default_rng(11)
    logits = rng.normal(scale=4, size=(n, 4)).astype(np.float32)
    p = class_probabilities(logits, groups, truth)
    labels = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits, np.minimum(labels, 3)


@pytest.mark.parametrize("value", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("lists", [[], ["ab", "cd"], ["ab", "bc"]])
def test_one_temperature_is_recovered(value: float, lists: list[str]) -> None:
    """Logits that are overconfident by a known factor get that factor as their temperature, and no second one."""
    groups = SimilarityGroups.from_lists("abcd", lists)
    found = fit_temperature(*simulate(Temperature.single(value), groups), groups)
    assert found.group == found.within == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize(("group", "within"), [(1.0, 2.5), (2.0, 0.8)])
def test_two_temperatures_are_recovered_where_they_help(group: float, within: float) -> None:
    """Where groups and their members are overconfident by different factors, both factors are found."""
    found = fit_temperature(*simulate(Temperature(group=group, within=within), PAIRS), PAIRS)
    assert found.group == pytest.approx(group, rel=0.05)
    assert found.within == pytest.approx(within, rel=0.05)


def test_calibration_counts_and_calibrates() -> None:
    """Calibration states its samples, counts them all by true class, and leaves little calibration error."""
    logits, labels = simulate(Temperature(group=1.0, within=2.5), PAIRS)
    calibration = calibrate(logits, labels, PAIRS, source="simulated")
    assert (calibration.source, calibration.n, calibration.conformal.n) == ("simulated", 8000, 8000)
    confusion = np.array(calibration.confusion)
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels, minlength=4))
    p = class_probabilities(logits, PAIRS, calibration.temperature)
    np.testing.assert_array_equal(confusion.sum(axis=0), np.bincount(p.argmax(axis=1), minlength=4))
    assert np.trace(confusion) == (p.argmax(axis=1) == labels).sum()
    raw = evaluate(class_probabilities(logits, PAIRS, Temperature.single(1)), labels, PAIRS)
    calibrated = evaluate(p, labels, PAIRS)
    assert calibrated["ece"] < 0.02 < raw["ece"]
    assert calibrated["nll"] < raw["nll"]


def test_a_perfect_model_can_be_calibrated() -> None:
    """A model without a mistake on the samples, which any low temperature suits, still gets a finite one."""
    labels = np.arange(40) % 4
    temperature = fit_temperature(np.eye(4)[labels] * 5, labels, PAIRS)
    assert 0 < temperature.group < 1
