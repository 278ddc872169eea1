"""The fit that looks at likely classes alone, against the sums written out over all of them."""

from dataclasses import replace

import numpy as np
import pytest

from audit.unnoising import floor_of, parts, parts_of, softmax
from audit.unnoising_fit import Family, LabelledRows, fit_candidate

K = 6
PAIRS = np.kron(np.eye(3), np.ones((2, 2))).astype(bool)
FREE = PAIRS & ~np.eye(K, dtype=bool)


def labelled(n: int, classes: np.ndarray[tuple[int, int], np.dtype[np.intp]]) -> LabelledRows:
    rng = np.random.default_rng(3)
    true = rng.integers(K, size=n)
    p = softmax(6.0 * (np.arange(K) == true[:, None]) + 1.5 * rng.standard_normal((n, K)))
    given = np.where(rng.random(n) < 0.2, true ^ 1, true)
    means, rest = parts_of(p, classes, PAIRS, floor_of(p))
    anchors = np.zeros((K, K))
    np.add.at(anchors, (true, given), 1.0)
    trusted = rng.random(n) < 0.1
    return LabelledRows(classes, np.zeros(classes.shape), means, rest, given, trusted, np.zeros((K, K)), anchors)


def test_parts_of_all_classes_are_the_parts() -> None:
    """What is read of some classes is what the whole table has for them."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(K, 0.3), size=50)
    confusable = rng.random((K, K)) < 0.4
    confusable |= confusable.T | np.eye(K, dtype=bool)
    classes = rng.permuted(np.tile(np.arange(K), (50, 1)), axis=1)[:, :4]
    for whole, part in zip(parts(p, confusable, 1e-6), parts_of(p, classes, confusable, 1e-6), strict=True):
        np.testing.assert_allclose(part, np.take_along_axis(whole, classes, axis=1), atol=1e-12)


@pytest.mark.parametrize("family", ["uniform", "shared", "grouped"])
def test_where_all_classes_are_likely_nothing_is_lost(family: Family) -> None:
    """Classes listed row by row, in any order, give the fit that the table of all classes gives."""
    n = 400
    table = np.tile(np.arange(K), (n, 1))
    mixed = np.random.default_rng(1).permuted(table, axis=1)
    free = FREE if family != "uniform" else np.zeros_like(FREE)
    dense, listed = (fit_candidate(labelled(n, classes), family, free) for classes in (table, mixed))
    np.testing.assert_allclose(listed.transition, dense.transition, atol=1e-6)
    np.testing.assert_allclose(listed.within, dense.within, rtol=1e-6)
    np.testing.assert_allclose(listed.log_likelihood, dense.log_likelihood, atol=1e-6)


def test_the_likelihood_is_the_sum_over_all_classes() -> None:
    """A candidate's log likelihood is that of its own scale and transition, summed over every true class."""
    rows = labelled(300, np.tile(np.arange(K), (300, 1)))
    fit = fit_candidate(replace(rows, trusted=np.zeros(300, dtype=bool)), "grouped", FREE)
    for i in range(0, 300, 29):
        logits = [fit.between * rows.means[i, y] + fit.within[y] * rows.rest[i, y] + fit.bias[y] for y in range(K)]
        weights = np.exp(np.array(logits))
        likelihood = sum(weights[y] / weights.sum() * fit.transition[y, rows.given[i]] for y in range(K))
        assert fit.log_likelihood[i] == pytest.approx(np.log(likelihood))
