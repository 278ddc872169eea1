from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audit.evidence import Evidence
from audit.fit import fit_noise_model
from audit.posterior import score_rows
from audit.reference import audit_reference
from models.groups import SimilarityGroups


@pytest.mark.parametrize("name", ["asymmetric", "symmetric", "mixed"])
def test_p_wrong_is_a_probability(
    name: str, simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """Of the rows with p_wrong near p, a share near p is wrong; the same holds for p_confusable."""
    upload = simulate(6000, noises[name], 1)
    evidence = Evidence.checked(upload.probabilities, upload.given, groups)
    rows = score_rows(upload.probabilities, upload.given, evidence.trusted, groups, fit_noise_model(evidence))
    wrong = upload.true != upload.given
    confusable = wrong & groups.membership[upload.given, upload.true]
    for p, happened in ((rows.p_wrong, wrong), (rows.p_confusable, confusable)):
        part = np.minimum((10 * p).astype(int), 9)
        error = sum(abs(p[part == i].sum() - happened[part == i].sum()) for i in range(10)) / len(p)
        assert error < 0.02


def test_wrong_labels_rank_first(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """The top of the ranking is wrong labels: precision at half their number is above .95."""
    upload = simulate(4000, noises["asymmetric"], 2)
    evidence = Evidence.checked(upload.probabilities, upload.given, groups)
    rows = score_rows(upload.probabilities, upload.given, evidence.trusted, groups, fit_noise_model(evidence))
    wrong = upload.true != upload.given
    top = np.argsort(-rows.log_odds)[: wrong.sum() // 2]
    assert wrong[top].mean() > 0.95


def test_saturated_rows_keep_an_order(groups: SimilarityGroups) -> None:
    """Two rows whose p_wrong is 1.0 in floating point still differ in log-odds."""
    p = np.array([[1e-25, 1 - 1e-25, 0, 0, 0, 0], [1e-28, 1 - 1e-28, 0, 0, 0, 0]])
    rows = audit_reference(p, [0, 0], groups, seed=0).rows
    assert rows.p_wrong.tolist() == [1.0, 1.0]
    assert rows.log_odds[1] > rows.log_odds[0]


def test_kind_says_where_the_truth_lies(
    simulate: Callable[..., Any], noises: dict[str, NDArray[np.float64]], groups: SimilarityGroups
) -> None:
    """A flag inside the group is confusable, one outside unrelated, and everything else is ok."""
    upload = simulate(4000, noises["mixed"], 3)
    rows = audit_reference(upload.probabilities, upload.given, groups, seed=0).rows
    assert set(rows.kind) == {"ok", "confusable", "unrelated"}
    assert np.array_equal(rows.kind == "ok", ~rows.flagged)
    inside = groups.membership[upload.given, rows.suggested]
    assert inside[rows.kind == "confusable"].all()
    assert not inside[rows.kind == "unrelated"].any()


def test_the_group_is_that_of_the_given_class() -> None:
    """With one-sided groups, a truth in G_given is confusable and the reverse is not."""
    membership = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)  # b is in G_a, a isn't in G_b
    groups = SimilarityGroups(["a", "b", "c"], membership)
    p = np.array([[0.01, 0.98, 0.01], [0.98, 0.01, 0.01]] * 20)
    rows = audit_reference(p, [0, 1] * 20, groups, seed=0).rows
    assert rows.p_confusable[0] > 0.5 * rows.p_wrong[0]
    assert rows.p_confusable[1] == 0


def test_a_trusted_row_is_scored_but_not_flagged(groups: SimilarityGroups) -> None:
    """A verified label that the model contradicts keeps its score as evidence and its kind ok."""
    p = np.full((40, 6), 0.002)
    p[:, 2] = 0.99
    given = np.array([5] * 4 + [2] * 36)
    trusted = np.arange(40) == 0
    rows = audit_reference(p, given, groups, trusted=trusted, seed=0).rows
    assert rows.p_wrong[0] > 0.5
    assert rows.kind[:2].tolist() == ["ok", "unrelated"]
