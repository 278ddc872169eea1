import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.confidence_labels import confidence_labels
from audit.reference import audit_reference
from audit.report import expected_precision
from models.groups import SimilarityGroups


def test_the_report_has_the_keys_of_the_contract(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """The JSON has exactly the contract's keys that arrays can tell, and survives json.dumps."""
    upload = simulate(600, noises["mixed"], 1)
    report = audit_reference(upload.probabilities, upload.given, groups, seed=0).report.to_json()
    assert set(report) == {
        "scored", "evidence", "flagged", "noise_rate", "asymmetry", "image_dependent",
        "transition", "expected_precision", "warnings", "groups", "per_class", "per_group",
    }  # fmt: skip
    assert set(report["noise_rate"]) == {"estimate", "low", "high"}
    assert set(report["asymmetry"]) == {"verdict", "excess"}
    assert set(report["transition"]) == {"classes", "counts", "rates"}
    assert report["groups"] == groups.as_lists()
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_expected_precision_is_kept(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """The precision promised for a budget is within five points of the precision found."""
    upload = simulate(4000, noises["mixed"], 2)
    result = audit_reference(upload.probabilities, upload.given, groups, seed=0)
    wrong = (upload.true != upload.given)[np.argsort(-result.rows.log_odds)]
    budgets = [budget for budget, _ in result.report.expected_precision]
    assert {10, 20, 50, 100, 200, 500, 1000, 2000, 4000, result.report.flagged} == set(budgets)
    for budget, precision in result.report.expected_precision:
        if budget >= 100:
            assert abs(precision - wrong[:budget].mean()) < 0.05


def test_trusted_rows_are_not_up_for_review() -> None:
    """A trusted row takes no place in a review budget; with none left there is nothing to promise."""
    log_odds = np.array([3.0, 1.0, -1.0])
    p_wrong = 1 / (1 + np.exp(-log_odds))
    assert expected_precision(p_wrong[1:], 1)[0] == (1, p_wrong[1])
    assert expected_precision(p_wrong[3:], 0) == ()


def test_clean_labels_are_left_alone(
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """The clean control: fewer than 0.5 % of clean labels are flagged and the rate is below 1 %."""
    flagged, rates = [], []
    for seed in range(5):
        upload = simulate(2000, noises["clean"], 20 + seed)
        report = audit_reference(
            upload.probabilities, upload.given, groups, validation_counts=validation_counts, seed=seed
        ).report
        flagged.append(report.flagged / 2000)
        rates.append(report.noise_rate.estimate)
    assert np.mean(flagged) < 0.005
    assert max(rates) < 0.01


def test_warnings_say_what_to_doubt(
    simulate: Callable[..., Any],
    noises: dict[str, NDArray[np.float64]],
    groups: SimilarityGroups,
    validation_counts: NDArray[np.float64],
) -> None:
    """Few rows, no validation counts, a weak model and very noisy groups are each said, and only where true."""
    few = simulate(100, noises["asymmetric"], 3)
    said = " ".join(audit_reference(few.probabilities, few.given, groups, seed=0).report.warnings)
    assert "only 100 rows" in said
    assert "uncalibrated" in said

    many = simulate(2000, noises["asymmetric"], 3)
    report = audit_reference(many.probabilities, many.given, groups, validation_counts=validation_counts, seed=0).report
    assert report.warnings == ()

    clean = simulate(2000, noises["clean"], 3)
    said = audit_reference(
        clean.probabilities, clean.given, groups, validation_counts=validation_counts, seed=0
    ).report.warnings
    assert [warning[:38] for warning in said] == ["the model is weaker than the labels: i"]
    assert "0.0%" not in said[0]

    heavy = simulate(2000, np.eye(6)[np.arange(6) ^ 1] * 0.45 + np.eye(6) * 0.55, 3)
    said = audit_reference(
        heavy.probabilities, heavy.given, groups, validation_counts=validation_counts, seed=0
    ).report.warnings
    assert any("unreliable" in warning for warning in said)


def test_missing_groups_are_named(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """Pairs that flip often outside the groups are proposed as groups."""
    upload = simulate(3000, noises["asymmetric"], 4)
    alone = SimilarityGroups.singletons(groups.classes)
    said = " ".join(audit_reference(upload.probabilities, upload.given, alone, seed=0).report.warnings)
    assert "6 pairs of classes outside the similarity groups" in said
    assert "no similarity groups are known" in said


@pytest.mark.parametrize("n", [1, 2])
def test_a_row_or_two_can_be_audited(n: int, groups: SimilarityGroups) -> None:
    """One or two rows give an answer, with the verdict that it is too few."""
    result = audit_reference(np.full((n, 6), 1 / 6), np.zeros(n, dtype=int), groups, seed=0)
    assert result.report.asymmetry.verdict == "insufficient"
    assert np.isfinite(result.rows.log_odds).all()


def test_only_trusted_rows_have_no_noise(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """When every label is verified, no noise is reported."""
    upload = simulate(600, noises["asymmetric"], 5)
    report = audit_reference(
        upload.probabilities, upload.given, groups, trusted=np.ones(600, dtype=bool), seed=0
    ).report
    assert report.noise_rate.estimate == 0
    assert report.flagged == 0


def test_confidence_labels_are_the_normalised_columns() -> None:
    """A given label's confidence label is its column of the transition matrix, divided by the column's sum."""
    labels = confidence_labels(np.array([[0.6, 0.4], [0.2, 0.8]]))
    np.testing.assert_allclose(labels, [[0.75, 0.25], [1 / 3, 2 / 3]])
    with pytest.raises(ValueError, match="class 1"):
        confidence_labels(np.array([[1.0, 0.0], [1.0, 0.0]]))


GOOD = np.full((3, 6), 1 / 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.full((3, 5), 0.2)}, r"shape \[n, 6\]"),
        ({"probabilities": np.empty((0, 6)), "given": np.empty(0, dtype=int)}, "no row"),
        ({"probabilities": np.where(np.eye(3, 6) > 0, np.nan, GOOD)}, "row 0 holds NaN"),
        ({"probabilities": GOOD * 2}, "row 0 sums to 2"),
        ({"probabilities": GOOD + np.array([-0.3, 0.3, 0, 0, 0, 0])}, "row 0 holds a negative"),
        ({"given": [0, 1]}, r"given must have shape \[3\]"),
        ({"given": [0, 1, 6]}, "row 2 has label 6"),
        ({"given": [0, -1, 5]}, "row 1 has label -1"),
        ({"given": [0.0, 1.0, 2.0]}, "integers"),
        ({"trusted": [1, 0, 1]}, "3 booleans"),
        ({"original": [0, -2, 0]}, "original: row 1"),
        ({"model_prior": [1, 1, 1, 1, 1, 0]}, "6 positive"),
        ({"validation_counts": np.zeros((6, 6))}, "not all zero"),
    ],
)
def test_wrong_input_is_named(change: dict[str, Any], message: str, groups: SimilarityGroups) -> None:
    """Each unusable input is refused with its name and, where there is one, its row."""
    arguments = {"probabilities": GOOD, "given": [0, 1, 2]} | change
    with pytest.raises(ValueError, match=message):
        audit_reference(groups=groups, seed=0, **arguments)


def test_a_single_class_is_refused() -> None:
    """With one class no label can be wrong."""
    with pytest.raises(ValueError, match="two classes"):
        audit_reference(np.ones((2, 1)), [0, 0], SimilarityGroups.singletons(["only"]), seed=0)
