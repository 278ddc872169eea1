from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.evidence import Evidence
from audit.fit import fit_noise_model
from audit.noise_model import NoiseModel
from audit.posterior import RowScores, score_rows
from audit.reference import audit_reference
from audit.report import report_on
from audit.tally import Tally
from models.groups import SimilarityGroups

N = 3000


@pytest.fixture(scope="module")
def evidence(
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> Evidence:
    upload = simulate(N, noises["mixed"], 12)
    trusted = np.arange(N) % 20 == 0
    given = np.where(trusted, upload.true, upload.given)
    return Evidence.checked(
        upload.probabilities, given, groups, validation_counts=validation_counts, trusted=trusted,
        original=np.where(trusted, upload.given, -1),
    )  # fmt: skip


def _scored(evidence: Evidence, noise: NoiseModel, size: int) -> tuple[list[RowScores], Tally]:
    scores, tallies = [], []
    for start in range(0, N, size):
        rows = slice(start, start + size)
        p, given, trusted = evidence.probabilities[rows], evidence.given[rows], evidence.trusted[rows]
        scores.append(score_rows(p, given, trusted, evidence.groups, noise))
        tallies.append(Tally.of(p, given, trusted, scores[-1]))
    return scores, reduce(add, tallies)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_scored_in_chunks_are_those_scored_at_once(evidence: Evidence, size: int) -> None:
    """However the rows are cut, every row has the same answers, and the sums over all rows agree."""
    noise = fit_noise_model(evidence)
    (whole,), total = _scored(evidence, noise, N)
    chunks, summed = _scored(evidence, noise, size)
    for name in ("log_odds", "p_wrong", "p_confusable", "p_slip"):
        together = np.concatenate([getattr(chunk, name) for chunk in chunks])
        np.testing.assert_allclose(together, getattr(whole, name), rtol=1e-12, atol=1e-300)
    for name in ("suggested", "flagged", "kind", "predicted"):
        assert np.array_equal(np.concatenate([getattr(chunk, name) for chunk in chunks]), getattr(whole, name))
    for name, values in summed.to_arrays().items():
        np.testing.assert_allclose(values, total.to_arrays()[name], rtol=1e-10)


def test_an_audit_in_pieces_reports_what_one_in_memory_does(evidence: Evidence) -> None:
    """Fit, scores and sums that went through plain arrays between processes bring the report of a single call."""
    noise = NoiseModel.from_arrays(fit_noise_model(evidence).to_arrays())
    scores, tally = _scored(evidence, noise, 700)
    tally = Tally.from_arrays(tally.to_arrays())
    p_wrong = np.concatenate([chunk.p_wrong for chunk in scores])[~evidence.trusted]
    report = report_on(evidence, noise, tally, p_wrong, "reference", np.random.default_rng(0)).to_json()
    whole = audit_reference(
        evidence.probabilities, evidence.given, evidence.groups, validation_counts=evidence.validation_counts,
        trusted=evidence.trusted, original=evidence.original, seed=0,
    ).report.to_json()  # fmt: skip
    assert _numbers(report) == pytest.approx(_numbers(whole), rel=1e-9, abs=1e-12)
    assert report["warnings"] == whole["warnings"]


def test_the_report_by_class_and_by_group_adds_up(evidence: Evidence) -> None:
    """Rows and flags of the classes sum to those of the data set, and their noise rates to its rate."""
    report = audit_reference(
        evidence.probabilities, evidence.given, evidence.groups, trusted=evidence.trusted, seed=0
    ).report.to_json()
    for part in ("per_class", "per_group"):
        assert sum(each["rows"] for each in report[part]) == report["scored"]
        assert sum(each["flagged"] for each in report[part]) == report["flagged"]
        wrong = sum(each["rows"] * each["noise_rate"] for each in report[part])
        assert wrong / report["scored"] == pytest.approx(report["noise_rate"]["estimate"])


def _numbers(value: Any) -> list[float]:
    """List the numbers of a JSON value in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for each in value for number in _numbers(each)]
    return [float(value)] if isinstance(value, int | float) else []
