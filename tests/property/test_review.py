"""What must hold of the statistics of a review, whatever was found."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from audit.controls import MOST_OF_A_PAIR, draw_controls
from audit.posterior import sigmoid
from audit.proportion import proportion
from audit.stopping import Shift, expected_wrong, fit_shift

log_odds = hnp.arrays(np.float64, st.integers(1, 80), elements=st.floats(-40, 40))


@given(log_odds, st.floats(-3, 3), st.floats(0, 1))
def test_what_is_left_lies_between_none_and_all(x: np.ndarray, value: float, error: float) -> None:
    """The outlook is never below 0 nor above the rows there are, and its interval holds the estimate."""
    outlook = expected_wrong(x, Shift(value, error))
    assert 0 <= outlook.low <= outlook.estimate <= outlook.high <= len(x)


@given(log_odds)
def test_without_decisions_the_audit_is_believed(x: np.ndarray) -> None:
    """Before anything is reviewed the outlook is the sum of P(wrong), with the prior's uncertainty."""
    shift = fit_shift(np.empty(0), np.empty(0, dtype=bool))
    assert (shift.value, shift.error) == (0.0, 1.0)
    assert np.isclose(expected_wrong(x, shift).estimate, sigmoid(np.clip(x, -30, 30)).sum())


@given(log_odds, st.data())
def test_each_right_label_found_lowers_the_outlook(x: np.ndarray, data: st.DataObject) -> None:
    """Where one more of the reviewed labels turns out right, fewer are expected to be wrong among the rest."""
    wrong = data.draw(hnp.arrays(bool, len(x)))
    at = data.draw(st.integers(0, len(x) - 1))
    fewer, more = wrong.copy(), wrong.copy()
    fewer[at], more[at] = False, True
    assert fit_shift(x, fewer).value < fit_shift(x, more).value


def test_the_interval_of_what_is_left_covers() -> None:
    """Of 300 audits whose log-odds are off by up to 1.5, the 95 % interval holds the truth in 91 % or more."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        x = np.sort(rng.normal(-1, 2.5, 800))[::-1]
        wrong = rng.random(800) < sigmoid(x + rng.uniform(-1.5, 1.5))
        outlook = expected_wrong(x[300:], fit_shift(x[:300], wrong[:300]))
        held += outlook.holds(wrong[300:].sum())
    assert held >= 0.91 * 300


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_share_lies_in_its_interval(successes: int, failures: int) -> None:
    """Wilson's interval holds the share, and lies within 0 and 1; nothing tried says nothing."""
    share = proportion(successes, successes + failures)
    if share is None:
        assert successes + failures == 0
    else:
        assert -1e-12 <= share.low <= share.estimate <= share.high <= 1 + 1e-12


@settings(max_examples=60)
@given(st.integers(2, 5), st.integers(0, 400), st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_controls_are_known_labels_in_disguise(classes: int, rows: int, seed: int, most: int) -> None:
    """Each control is a known, unflagged row shown once, under a pair that is flagged, and the truth of it is known."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows).astype(np.int32)
    suggested = ((labels + rng.integers(1, classes, rows)) % classes).astype(np.int32)
    flagged, known = rng.random(rows) < 0.4, rng.random(rows) < 0.6
    drawn = draw_controls(labels, suggested, flagged, known, classes, rng, most)
    assert len(drawn.row) <= most
    assert len(set(drawn.row.tolist())) == len(drawn.row)
    assert (known & ~flagged)[drawn.row].all()
    truth = np.where(drawn.planted, drawn.suggested, drawn.given)
    assert (labels[drawn.row] == truth).all()
    assert flagged[drawn.beside].all()
    assert (labels[drawn.beside] == drawn.given).all()
    assert (suggested[drawn.beside] == drawn.suggested).all()
    _, counts = np.unique(drawn.given * classes + drawn.suggested, return_counts=True)
    assert (counts <= 2 * MOST_OF_A_PAIR).all()
