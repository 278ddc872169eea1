import numpy as np
import pytest

from audit.joint_labels import score_jointly
from audit.noise_model import NoiseModel
from audit.recalibration import Recalibration
from models.groups import SimilarityGroups

GROUPS = SimilarityGroups.from_lists(["a", "b", "c"], [["a", "b"]])
TRANSITION = np.array([[0.85, 0.1, 0.05], [0.1, 0.85, 0.05], [0.05, 0.05, 0.9]])
NOISE = NoiseModel(
    recalibration=Recalibration(np.ones(3) / 3, np.ones(3), np.ones((3, 3)), 0.9, 0.9),
    transition=TRANSITION,
    weight=0.0,
    weight_error=0.0,
    slip_error=0.0,
    sharpness=0.5,
    standouts=np.zeros((3, 3), dtype=bool),
    other_rates=(),
    log_likelihood=0.0,
)


def score(given: list[int], trusted: list[bool], p: list[float]) -> np.ndarray:
    """P(wrong) of rows that all show one image."""
    m = len(given)
    scores = score_jointly(
        np.tile(p, (m, 1)), np.array(given), np.array(trusted), np.zeros(m, dtype=np.intp), GROUPS, NOISE
    )
    return 1 / (1 + np.exp(-scores.log_odds))


def test_the_labels_of_one_image_are_weighed_together() -> None:
    """P(wrong) is Bayes' rule over the product of all labels' probabilities."""
    p, given = [0.5, 0.3, 0.2], [0, 0, 1]
    weight = [p[y] * TRANSITION[y, 0] ** 2 * TRANSITION[y, 1] for y in range(3)]
    expected = [1 - weight[label] / sum(weight) for label in given]
    np.testing.assert_allclose(score(given, [False] * 3, p), expected)


def test_the_majority_is_believed() -> None:
    """Of three labels of an image that the model is unsure of, the odd one out is the wrong one."""
    wrong = score([0, 0, 1], [False] * 3, [0.45, 0.45, 0.1])
    assert wrong[2] > 0.8
    assert max(wrong[:2]) < 0.2


def test_a_verified_label_settles_it() -> None:
    """Against a verified label the others of the same image are wrong, whatever the model says."""
    wrong = score([0, 1, 1], [True, False, False], [0.01, 0.98, 0.01])
    assert wrong[0] == pytest.approx(0, abs=1e-6)
    assert min(wrong[1:]) > 0.999


def test_nothing_to_score_is_no_error() -> None:
    """An upload without duplicates has no answers for them."""
    scores = score_jointly(
        np.empty((0, 3)), np.empty(0, dtype=np.intp), np.empty(0, dtype=bool), np.empty(0, dtype=np.intp), GROUPS, NOISE
    )
    assert len(scores.log_odds) == 0
