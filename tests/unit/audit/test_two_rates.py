from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.asymmetry import excess_in_group
from audit.evidence import Evidence
from audit.recalibration import fit_recalibration
from audit.two_rates import likely_measures
from models.groups import SimilarityGroups

Transition = NDArray[np.float64]


@pytest.fixture
def measure(
    simulate: Callable[..., Any], groups: SimilarityGroups, validation_counts: NDArray[np.float64]
) -> Callable[[int, Transition, int], Any]:
    def audit(n: int, transition: Transition, seed: int) -> Any:
        upload = simulate(n, transition, seed)
        evidence = Evidence.checked(upload.probabilities, upload.given, groups, validation_counts=validation_counts)
        return likely_measures(evidence, fit_recalibration(evidence), validation_counts)

    return audit


@pytest.mark.parametrize("name", ["clean", "asymmetric", "symmetric", "mixed"])
def test_the_intervals_hold_the_truth(
    name: str, measure: Callable[..., Any], noises: dict[str, Transition], groups: SimilarityGroups
) -> None:
    """The excess and the rate of the noise that was drawn lie in their intervals in at least 18 of 20 uploads."""
    excess = excess_in_group(noises[name] / 6, groups.membership)
    rate = 1 - noises[name].diagonal().mean()
    found = [measure(2000, noises[name], 40 + seed) for seed in range(20)]
    assert sum(likely.holds(excess) for likely, _ in found) >= 18
    assert sum(likely.holds(rate) for _, likely in found) >= 18


def test_few_flips_among_look_alikes_are_seen(measure: Callable[..., Any], noises: dict[str, Transition]) -> None:
    """In 2,000 rows 4 % of flips stand clear of the least effect, though the model itself confuses 11 %."""
    transition = 0.8 * np.eye(6) + 0.2 * noises["asymmetric"]
    assert all(measure(2000, transition, seed)[0].low > 0.005 for seed in range(10))


def test_more_rows_tell_more_and_fewer_validation_images_less(
    simulate: Callable[..., Any],
    noises: dict[str, Transition],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """The interval narrows with the rows of the upload and widens when the model was checked on fewer images."""

    def width(n: int, counts: NDArray[np.float64]) -> float:
        upload = simulate(n, noises["asymmetric"], 7)
        evidence = Evidence.checked(upload.probabilities, upload.given, groups, validation_counts=counts)
        excess = likely_measures(evidence, fit_recalibration(evidence), counts)[0]
        return float(excess.high - excess.low)

    assert width(4000, validation_counts) < width(500, validation_counts)
    assert width(4000, validation_counts) < width(4000, np.round(validation_counts / 20))


def test_the_rates_are_the_likeliest() -> None:
    """On rows that the model is sure of, the rate is the share of labels that contradict it."""
    groups = SimilarityGroups.from_lists(["a", "b", "c"], [["a", "b"]])
    true = np.arange(900) % 3
    p = np.where(np.eye(3)[true] > 0, 1 - 2e-9, 1e-9)
    given = np.where(np.arange(900) % 10 == 0, (true + 1) % 3, true)
    counts = 300.0 * np.eye(3)
    evidence = Evidence.checked(p, given, groups, validation_counts=counts)
    assert likely_measures(evidence, fit_recalibration(evidence), counts)[1].estimate == pytest.approx(0.1, abs=1e-4)
