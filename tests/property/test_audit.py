from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audit.confidence_labels import confidence_labels
from audit.reference import audit_reference
from models.groups import SimilarityGroups

Arguments = tuple[NDArray[np.float64], NDArray[np.intp], SimilarityGroups, dict[str, Any]]


@st.composite
def uploads(draw: st.DrawFn) -> Arguments:
    """Arguments of an audit of a few rows: any probabilities, labels, groups, trusted rows and validation."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    K = draw(st.integers(2, 6))
    n = draw(st.integers(1, 60))
    sharpness = draw(st.sampled_from([0.1, 1.0, 5.0, 40.0]))
    logits = rng.standard_normal((n, K)) * sharpness
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    labels = np.where(rng.random(n) < 0.6, p.argmax(axis=1), rng.integers(K, size=n))
    membership = np.eye(K, dtype=bool) | (rng.random((K, K)) < draw(st.sampled_from([0.0, 0.3, 1.0])))
    validated = draw(st.booleans())
    arguments = {
        "trusted": rng.random(n) < draw(st.sampled_from([0.0, 0.3])),
        "model_prior": rng.random(K) + 0.1,
        "validation_counts": rng.integers(0, 4, (K, K)) + 20 * np.eye(K) if validated else None,
    }
    return p, labels, SimilarityGroups([f"c{i}" for i in range(K)], membership), arguments


@settings(max_examples=60, deadline=None, derandomize=True)
@given(uploads())
def test_answers_are_in_range(upload: Arguments) -> None:
    """Whatever the input, every answer is a probability, a distribution or a class where it should be one."""
    p, labels, groups, arguments = upload
    result = audit_reference(p, labels, groups, **arguments, seed=0)
    rows, noise = result.rows, result.noise
    assert np.isfinite(rows.log_odds).all()
    assert ((rows.p_wrong >= 0) & (rows.p_wrong <= 1)).all()
    assert ((rows.p_confusable >= 0) & (rows.p_confusable <= rows.p_wrong)).all()
    assert (rows.suggested != labels).all()
    assert not rows.flagged[arguments["trusted"]].any()
    assert np.array_equal(rows.kind == "ok", ~rows.flagged)
    assert (noise.transition > 0).all()
    np.testing.assert_allclose(noise.transition.sum(axis=1), 1)
    np.testing.assert_allclose(noise.recalibration.prior.sum(), 1)
    np.testing.assert_allclose(rows.counts.sum(axis=0), np.bincount(labels, minlength=len(groups.classes)))
    np.testing.assert_allclose(confidence_labels(noise.transition).sum(axis=1), 1)
    rate = result.report.noise_rate
    assert rate.low <= rate.estimate + 1e-12
    assert rate.estimate <= rate.high + 1e-12
    assert all(0 <= precision <= 1 for _, precision in result.report.expected_precision)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(uploads(), st.randoms(use_true_random=False))
def test_renaming_the_classes_renames_the_answers(upload: Arguments, random: Random) -> None:
    """The order of the classes is of no consequence to any answer (the bootstrap's draws aside)."""
    p, labels, groups, arguments = upload
    K = len(groups.classes)
    order = np.array(random.sample(range(K), K))  # new class i is old class order[i]
    new = np.argsort(order)
    permuted = SimilarityGroups([groups.classes[i] for i in order], groups.membership[np.ix_(order, order)])
    counts = arguments["validation_counts"]
    changed = {
        "trusted": arguments["trusted"],
        "model_prior": arguments["model_prior"][order],
        "validation_counts": None if counts is None else counts[np.ix_(order, order)],
    }
    one = audit_reference(p, labels, groups, **arguments, seed=0)
    two = audit_reference(p[:, order], new[labels], permuted, **changed, seed=0)
    np.testing.assert_allclose(two.rows.log_odds, one.rows.log_odds, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(two.rows.p_confusable, one.rows.p_confusable, rtol=1e-6, atol=1e-9)
    assert np.array_equal(order[two.rows.suggested], one.rows.suggested)
    np.testing.assert_allclose(two.report.rates, one.report.rates[np.ix_(order, order)], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(two.rows.counts, one.rows.counts[np.ix_(order, order)], rtol=1e-6, atol=1e-6)
    estimates = [(r.noise_rate.estimate, r.asymmetry.excess.estimate) for r in (one.report, two.report)]
    np.testing.assert_allclose(estimates[0], estimates[1], atol=1e-8)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(uploads(), st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_is_of_no_consequence(upload: Arguments, seed: int) -> None:
    """Rows in another order bring the same row answers in that order and the same report."""
    p, labels, groups, arguments = upload
    order = np.random.default_rng(seed).permutation(len(labels))
    changed = arguments | {"trusted": arguments["trusted"][order]}
    one = audit_reference(p, labels, groups, **arguments, seed=0)
    two = audit_reference(p[order], labels[order], groups, **changed, seed=0)
    np.testing.assert_allclose(two.rows.log_odds, one.rows.log_odds[order], rtol=1e-6, atol=1e-6)
    assert np.array_equal(two.rows.suggested, one.rows.suggested[order])
    excess = [(r.asymmetry.excess.low, r.asymmetry.excess.high) for r in (one.report, two.report)]
    np.testing.assert_allclose(excess[0], excess[1], atol=1e-9)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(uploads())
def test_an_audit_repeats(upload: Arguments) -> None:
    """The same input and seed give the same report, to the last digit."""
    p, labels, groups, arguments = upload
    one, two = (audit_reference(p, labels, groups, **arguments, seed=3).report.to_json() for _ in range(2))
    assert one == two
