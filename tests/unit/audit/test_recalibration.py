from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.evidence import Evidence
from audit.recalibration import Recalibration, fit_recalibration
from audit.reference import audit_reference
from models.groups import SimilarityGroups

Floats = NDArray[np.float64]


def leaning(p: Floats) -> Floats:
    """A model that, between look-alikes, prefers the first, as one trained on one-way noise does."""
    bent = p * np.where(np.arange(p.shape[1]) % 2 == 0, 3.0, 1.0)
    return bent / bent.sum(axis=1, keepdims=True)


def counts_of(p: Floats, true: NDArray[np.intp]) -> Floats:
    counts = np.zeros((p.shape[1], p.shape[1]))
    np.add.at(counts, (true, p.argmax(axis=1)), 1)
    return counts


@pytest.fixture
def fitted(simulate: Callable[..., Any], groups: SimilarityGroups) -> Callable[..., tuple[Recalibration, Floats, Any]]:
    def fit(change: Callable[[Floats], Floats]) -> tuple[Recalibration, Floats, Any]:
        clean, upload = simulate(20_000, np.eye(6), 31), simulate(5000, np.eye(6), 32)
        p = change(upload.probabilities)
        counts = counts_of(change(clean.probabilities), clean.true)
        evidence = Evidence.checked(p, upload.given, groups, model_prior=counts.sum(axis=1), validation_counts=counts)
        return fit_recalibration(evidence), p, upload

    return fit


def test_a_calibrated_model_is_left_as_it_is(fitted: Callable[..., Any]) -> None:
    """Probabilities that keep their promise change by less than a hundredth on average, and no class shift is seen."""
    recalibration, p, _ = fitted(lambda p: p)
    assert np.abs(recalibration.apply(p) - p).mean() < 0.01
    assert (recalibration.prior_ratio == 1).all()
    assert not recalibration.is_shifted


def test_a_model_that_leans_to_one_class_is_set_upright(fitted: Callable[..., Any]) -> None:
    """A preference for one of two look-alikes is seen in the confusion counts: the log loss falls by the most of it."""
    recalibration, p, upload = fitted(leaning)

    def loss(q: Floats) -> float:
        return float(-np.log(q[np.arange(len(q)), upload.true]).mean())

    best = loss(upload.probabilities)
    assert loss(recalibration.apply(p)) - best < 0.4 * (loss(p) - best)


def test_rows_sum_to_one_and_nothing_is_impossible(fitted: Callable[..., Any]) -> None:
    """Corrected rows are distributions without zeros, in float64 whatever came in."""
    recalibration, p, _ = fitted(leaning)
    corrected = recalibration.apply(np.where(p < 1e-6, 0, p).astype(np.float32))
    assert corrected.dtype == np.float64
    assert (corrected > 0).all()
    np.testing.assert_allclose(corrected.sum(axis=1), 1)


def test_plain_arrays_bring_it_back(fitted: Callable[..., Any]) -> None:
    """What is written as arrays in one process corrects the same in another."""
    recalibration, p, _ = fitted(leaning)
    again = Recalibration.from_arrays(recalibration.to_arrays())
    assert np.array_equal(again.apply(p), recalibration.apply(p))


def test_harder_images_are_said_to_be_harder(
    simulate: Callable[..., Any],
    noises: dict[str, Floats],
    groups: SimilarityGroups,
    validation_counts: Floats,
) -> None:
    """Images of which the model is far less sure than its validation accuracy bring a warning, not a correction."""
    upload = simulate(2000, noises["asymmetric"], 33)
    blurred = upload.probabilities**0.4
    blurred /= blurred.sum(axis=1, keepdims=True)
    evidence = Evidence.checked(blurred, upload.given, groups, validation_counts=validation_counts)
    recalibration = fit_recalibration(evidence)
    assert recalibration.is_shifted
    assert (recalibration.factors == 1).all()
    report = audit_reference(blurred, upload.given, groups, validation_counts=validation_counts, seed=0).report
    assert any("harder for the model" in warning for warning in report.warnings)


def test_class_shares_come_from_the_images_alone(
    simulate: Callable[..., Any], noises: dict[str, Floats], groups: SimilarityGroups, validation_counts: Floats
) -> None:
    """The same images with other labels have the same class shares: wrong labels can't bend them."""
    upload = simulate(3000, noises["asymmetric"], 34)
    keep = (upload.true != 0) | (np.arange(3000) % 4 == 0)
    priors = [
        fit_recalibration(
            Evidence.checked(upload.probabilities[keep], labels[keep], groups, validation_counts=validation_counts)
        ).prior
        for labels in (upload.given, upload.true)
    ]
    assert np.array_equal(*priors)
    assert abs(priors[0][0] - (upload.true[keep] == 0).mean()) < 0.015
