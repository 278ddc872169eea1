from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.asymmetry import excess_in_group, judge
from audit.interval import Interval
from audit.joint import anchor_counts, confusion_matrix, corrected_joint, is_correctable
from audit.reference import audit_reference
from models.groups import SimilarityGroups

RATE = Interval(0.1, 0.08, 0.12)
GROUPS = np.kron(np.eye(2), np.ones((2, 2))).astype(bool)


@pytest.mark.parametrize("name", ["clean", "asymmetric", "symmetric"])
@pytest.mark.parametrize("with_validation", [True, False])
def test_the_verdict_names_the_noise(
    name: str,
    with_validation: bool,
    *,
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """On 2,000 rows clean, asymmetric and symmetric noise are told apart, with and without validation counts."""
    counts = validation_counts if with_validation else None
    for seed in range(4):
        upload = simulate(2000, noises[name], seed)
        result = audit_reference(upload.probabilities, upload.given, groups, validation_counts=counts, seed=seed)
        assert result.report.asymmetry.verdict == name


def test_mixed_noise_is_asymmetric(
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """A share of in-group flips beside symmetric noise is called asymmetric, and its excess is in the interval."""
    upload = simulate(3000, noises["mixed"], 5)
    report = audit_reference(
        upload.probabilities, upload.given, groups, validation_counts=validation_counts, seed=0
    ).report
    truth = excess_in_group(noises["mixed"] / 6, groups.membership)
    assert report.asymmetry.verdict == "asymmetric"
    assert report.asymmetry.excess.low < truth < report.asymmetry.excess.high


def test_the_interval_covers_the_rate(
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """The 95 % interval of the noise rate holds the true rate in at least 11 of 12 audits of 1,000 rows."""
    covered = 0
    for seed in range(12):
        upload = simulate(1000, noises[["clean", "asymmetric", "symmetric"][seed % 3]], 100 + seed)
        rate = audit_reference(
            upload.probabilities, upload.given, groups, validation_counts=validation_counts, seed=seed
        ).report.noise_rate
        covered += rate.low <= (upload.true != upload.given).mean() <= rate.high
    assert covered >= 11


def test_clean_labels_have_an_interval_below_zero(
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """An interval that reaches below 0 stays there for the verdict, and is cut only in the report's JSON."""
    upload = simulate(1000, noises["clean"], 7)
    report = audit_reference(
        upload.probabilities, upload.given, groups, validation_counts=validation_counts, seed=0
    ).report
    assert report.noise_rate.low < 0
    assert report.to_json()["noise_rate"]["low"] == 0


@pytest.mark.parametrize(
    ("rows", "excess_low", "rate_low", "corrected", "verdict"),
    [
        (499, 0.2, 0.2, True, "insufficient"),
        (500, 0.2, 0.2, True, "asymmetric"),
        (500, 0.006, 0.2, True, "asymmetric"),
        (500, 0.006, 0.2, False, "symmetric"),
        (500, 0.011, 0.2, False, "asymmetric"),
        (500, 0.005, 0.2, True, "symmetric"),
        (500, 0.005, 0.005, True, "clean"),
        (500, 0.006, 0.001, True, "asymmetric"),
    ],
)
def test_the_rules_of_the_verdict(
    rows: int, *, excess_low: float, rate_low: float, corrected: bool, verdict: str
) -> None:
    """The verdict follows the written rules in their order, at their thresholds."""
    excess = Interval(excess_low + 0.1, excess_low, excess_low + 0.2)
    rate = Interval(rate_low + 0.1, rate_low, rate_low + 0.2)
    assert judge(rows, excess, rate, GROUPS, corrected=corrected).verdict == verdict


@pytest.mark.parametrize("membership", [np.eye(3, dtype=bool), np.ones((3, 3), dtype=bool)])
def test_without_groups_to_compare_nothing_is_called_symmetric(membership: NDArray[np.bool_]) -> None:
    """Where the excess is 0 whatever the noise, noise has no verdict; that there is none can still be said."""
    none = Interval(0.0, 0.0, 0.0)
    assert judge(5000, none, Interval(0.2, 0.18, 0.22), membership, corrected=True).verdict == "insufficient"
    assert judge(5000, none, Interval(0.0, -0.01, 0.01), membership, corrected=True).verdict == "clean"


def test_the_models_own_confusion_is_no_excess(
    groups: SimilarityGroups, validation_counts: NDArray[np.float64]
) -> None:
    """Clean labels seen through the model's confusion have no excess once corrected, and a large one before."""
    confusion = confusion_matrix(validation_counts)
    seen = confusion / 6
    assert excess_in_group(seen, groups.membership) > 0.05
    corrected = corrected_joint(seen, confusion)
    np.testing.assert_allclose(corrected, np.eye(6) / 6, atol=1e-12)
    assert abs(excess_in_group(corrected, groups.membership)) < 1e-12


def test_a_class_that_is_never_predicted_is_not_correctable(validation_counts: NDArray[np.float64]) -> None:
    """Counts whose matrix can't be inverted safely are turned down; those of a good model are not."""
    assert is_correctable(validation_counts)
    blind = validation_counts.copy()
    blind[0] = blind[1]
    assert not is_correctable(blind)


def test_tiny_validation_widens_the_interval(
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """Two validation images a class are used without an error, for a wider interval than thousands give."""
    upload = simulate(1000, noises["asymmetric"], 8)
    widths = []
    for counts in (validation_counts, 2 * np.eye(6)):
        rate = audit_reference(
            upload.probabilities, upload.given, groups, validation_counts=counts, seed=0
        ).report.noise_rate
        widths.append(rate.high - rate.low)
    assert widths[1] > 1.5 * widths[0]


def test_anchors_are_the_confident_third_of_each_class() -> None:
    """The 30 % most confident rows of a predicted class are its anchors, at least one."""
    top = np.linspace(0.6, 0.9, 10)
    p = np.stack([top, 1 - top, np.zeros(10)], axis=1)
    p = np.vstack([p, [[0.1, 0.2, 0.7]]])
    counts, predicted = anchor_counts(p, np.array([0] * 7 + [1] * 3 + [2]))
    assert predicted.tolist() == [10, 0, 1]
    assert counts.tolist() == [[0, 3, 0], [0, 0, 0], [0, 0, 1]]
