"""Metrics against values worked out by hand."""

import numpy as np
import pytest

from models.groups import SimilarityGroups
from models.metrics import calibration_error, evaluate

GROUPS = SimilarityGroups.from_lists("abc", ["ab"])
P = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]])
LABELS = np.array([0, 0, 2, 2])


def test_metrics_are_those_worked_out_by_hand() -> None:
    """Of four answers two are right, a third is in the right group; the log loss and both errors follow by hand."""
    found = evaluate(P, LABELS, GROUPS)
    assert found["accuracy"] == 0.5
    assert found["group_accuracy"] == 0.75
    assert found["nll"] == pytest.approx(-np.log([0.6, 0.2, 0.3, 0.7]).mean())
    # Confidences .6 (right), .7 (wrong), .5 (wrong), .7 (right); both .7 share a bin, where one of two is right.
    assert found["ece"] == pytest.approx((0.4 + abs(2 * 0.7 - 1) + 0.5) / 4)
    # Group masses .9 (right), .9 (right), .7 (wrong), .7 (right).
    assert found["group_ece"] == pytest.approx((abs(1.8 - 2) + abs(1.4 - 1)) / 4)


def test_perfect_answers_have_no_error() -> None:
    """A model that is right and certain has accuracy 1 and no log loss or calibration error."""
    assert evaluate(np.eye(3), np.arange(3), GROUPS) == {
        "accuracy": 1,
        "group_accuracy": 1,
        "nll": 0,
        "ece": 0,
        "group_ece": 0,
    }


def test_a_certain_mistake_costs_much_but_not_everything() -> None:
    """Probability 0 for the truth gives a large, finite log loss."""
    found = evaluate(np.array([[1.0, 0.0, 0.0]]), np.array([2]), GROUPS)
    assert found["nll"] == pytest.approx(-np.log(1e-12))
    assert found["ece"] == found["group_ece"] == 1


def test_one_sided_groups_count_from_the_true_class() -> None:
    """Group accuracy asks whether the top class is in the true class's group, not the other way round."""
    one_sided = SimilarityGroups.from_members("ab", ["ab", "b"])
    assert evaluate(np.array([[0.2, 0.8]]), np.array([0]), one_sided)["group_accuracy"] == 1
    assert evaluate(np.array([[0.8, 0.2]]), np.array([1]), one_sided)["group_accuracy"] == 0


def test_calibration_error_uses_equal_bins() -> None:
    """Under- and overconfidence cancel inside a bin and add up over bins, each weighted by its samples."""
    assert calibration_error(np.array([0.9, 0.9]), np.array([True, False]), bins=10) == pytest.approx(0.4)
    assert calibration_error(np.array([0.55, 0.95]), np.array([True, False]), bins=10) == pytest.approx(0.7)
    assert calibration_error(np.array([0.52, 0.58]), np.array([True, False]), bins=10) == pytest.approx(0.05)
    assert calibration_error(np.array([1.0, 0.0]), np.array([True, False]), bins=10) == 0
