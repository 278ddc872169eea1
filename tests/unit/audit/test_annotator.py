from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.evidence import Evidence
from audit.fit import fit_noise_model
from audit.noise_model import NoiseModel, view
from audit.reference import AuditResult, audit_reference
from models.groups import SimilarityGroups

Floats = NDArray[np.float64]
WEIGHT, SHARPNESS = 0.6, 0.5


def slipping(upload: Any, rng: np.random.Generator) -> NDArray[np.intp]:
    """Labels of which a share comes from someone who sees less sharply, whatever the true class is."""
    views = view(upload.probabilities, SHARPNESS)
    slips = (rng.random(len(views))[:, None] > views.cumsum(axis=1)).sum(axis=1).clip(0, views.shape[1] - 1)
    return np.where(rng.random(len(views)) < WEIGHT, slips, upload.given)


@pytest.fixture(scope="module")
def audited(
    simulate: Callable[..., Any],
    noises: dict[str, Floats],
    groups: SimilarityGroups,
    validation_counts: Floats,
) -> tuple[NDArray[np.intp], NDArray[np.intp], AuditResult]:
    upload = simulate(8000, noises["clean"], 50)
    given = slipping(upload, np.random.default_rng(51))
    result = audit_reference(upload.probabilities, given, groups, validation_counts=validation_counts, seed=0)
    return upload.true, given, result


def test_noise_that_follows_the_image_is_found_as_such(
    audited: tuple[NDArray[np.intp], NDArray[np.intp], AuditResult],
) -> None:
    """The annotator's share is recovered, the rate is in its interval, and most of the noise is on hard images."""
    true, given, result = audited
    assert result.noise.weight == pytest.approx(WEIGHT, abs=0.15)
    rate = result.report.noise_rate
    assert rate.low <= (given != true).mean() <= rate.high
    assert result.report.image_dependent.estimate > 0.8
    assert any("hard images" in warning for warning in result.report.warnings)


def test_p_wrong_is_a_probability_there_too(
    audited: tuple[NDArray[np.intp], NDArray[np.intp], AuditResult],
) -> None:
    """Of the rows with p_wrong near p a share near p is wrong, and p_slip sums up to the wrong labels."""
    true, given, result = audited
    wrong, p = true != given, result.rows.p_wrong
    part = np.minimum((10 * p).astype(int), 9)
    assert sum(abs(p[part == i].sum() - wrong[part == i].sum()) for i in range(10)) / len(p) < 0.03
    assert result.rows.p_slip.sum() == pytest.approx(wrong.sum(), rel=0.25)


@pytest.mark.parametrize("name", ["clean", "asymmetric", "symmetric", "mixed"])
def test_nobody_is_blamed_where_the_labels_do_not_ask_for_it(
    name: str, simulate: Callable[..., Any], noises: dict[str, Floats], groups: SimilarityGroups
) -> None:
    """Noise by class alone, and no noise, leave the annotator's weight at exactly 0, with a bound on its share."""
    for seed in range(3):
        upload = simulate(3000, noises[name], 60 + seed)
        result = audit_reference(upload.probabilities, upload.given, groups, seed=0)
        assert result.noise.weight == 0
        share = result.report.to_json()["image_dependent"]
        assert share["share"] == share["low"] == 0
        assert 0 <= share["high"] <= 1


def test_the_noise_model_survives_plain_arrays(
    simulate: Callable[..., Any], noises: dict[str, Floats], groups: SimilarityGroups
) -> None:
    """A noise model that went through arrays is the same, field by field."""
    upload = simulate(1500, noises["clean"], 70)
    given = slipping(upload, np.random.default_rng(71))
    noise = fit_noise_model(Evidence.checked(upload.probabilities, given, groups))
    one, two = noise.to_arrays(), NoiseModel.from_arrays(noise.to_arrays()).to_arrays()
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def test_what_verified_rows_said_before_tells_of_slips(
    simulate: Callable[..., Any], noises: dict[str, Floats], groups: SimilarityGroups
) -> None:
    """With half of the rows verified and their old labels known, the rate of the others is found within .02."""
    upload = simulate(6000, noises["clean"], 80)
    given = slipping(upload, np.random.default_rng(81))
    trusted = np.arange(6000) % 2 == 0
    result = audit_reference(
        upload.probabilities, np.where(trusted, upload.true, given), groups,
        trusted=trusted, original=np.where(trusted, given, -1), seed=0,
    )  # fmt: skip
    assert not result.rows.flagged[trusted].any()
    assert result.rows.p_wrong[~trusted].mean() == pytest.approx((given != upload.true)[~trusted].mean(), abs=0.02)
