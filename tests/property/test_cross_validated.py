import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audit.cross_validated import audit_cross_validated, fit_cross_validated
from audit.probe import Probe, ProbeSums
from models.groups import SimilarityGroups

Arguments = tuple[NDArray[np.float64], NDArray[np.intp], list[str], SimilarityGroups | None, NDArray[np.bool_]]


@st.composite
def uploads(draw: st.DrawFn, least: int = 2, most: int = 6) -> Arguments:
    """A few rows: any probabilities of so many classes, labels, groups or none, trusted rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    K, n = draw(st.integers(least, most)), draw(st.integers(1, 80))
    logits = rng.standard_normal((n, K)) * draw(st.sampled_from([0.1, 1.0, 5.0, 40.0, 1000.0]))
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    labels = np.where(rng.random(n) < 0.6, p.argmax(axis=1), rng.integers(K, size=n))
    classes = [f"c{i}" for i in range(K)]
    membership = np.eye(K, dtype=bool) | (rng.random((K, K)) < draw(st.sampled_from([0.0, 0.3, 1.0])))
    groups = SimilarityGroups(classes, membership) if draw(st.booleans()) else None
    return p, labels, classes, groups, rng.random(n) < draw(st.sampled_from([0.0, 0.3]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(uploads() | uploads(33, 60))
def test_answers_are_in_range(upload: Arguments) -> None:
    """Whatever the input, every answer is a probability, a distribution or a class where it should be one."""
    p, labels, classes, groups, trusted = upload
    result = audit_cross_validated(p, labels, classes, groups, trusted=trusted, seed=0)
    rows, noise = result.rows, result.noise
    assert np.isfinite(rows.log_odds).all()
    assert ((rows.p_wrong >= 0) & (rows.p_wrong <= 1)).all()
    assert (rows.suggested != labels).all()
    assert not rows.flagged[trusted].any()
    assert (noise.transition > 0).all()
    np.testing.assert_allclose(noise.transition.sum(axis=1), 1)
    clean = fit_cross_validated(p, labels, classes, groups, trusted=trusted).clean(p)
    np.testing.assert_allclose(clean.sum(axis=1), 1)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(uploads(), st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_is_of_no_consequence(upload: Arguments, seed: int) -> None:
    """Rows in another order bring the same row answers in that order."""
    p, labels, classes, groups, trusted = upload
    order = np.random.default_rng(seed).permutation(len(labels))
    one = audit_cross_validated(p, labels, classes, groups, trusted=trusted, seed=0)
    two = audit_cross_validated(p[order], labels[order], classes, groups, trusted=trusted[order], seed=0)
    np.testing.assert_allclose(two.rows.p_wrong, one.rows.p_wrong[order], rtol=1e-4, atol=1e-6)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 9), st.integers(1, 60), st.integers(0, 60))
def test_any_cut_gives_the_same_sums(seed: int, K: int, D: int, n: int, cut: int) -> None:
    """Sums of two chunks are the sums of the whole, and out-of-sample probabilities sum to 1."""
    rng = np.random.default_rng(seed)
    x, labels, rows = rng.standard_normal((n, D)), rng.integers(K, size=n), rng.integers(10**9, size=n)
    whole = ProbeSums.of(x, labels, rows, K)
    sums = ProbeSums.of(x[:cut], labels[:cut], rows[:cut], K) + ProbeSums.of(x[cut:], labels[cut:], rows[cut:], K)
    for name, array in whole.to_arrays().items():
        np.testing.assert_allclose(sums.to_arrays()[name], array, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(Probe.fit(sums).probabilities(x, rows).sum(axis=1), 1)
