"""Which rows a second person judges."""

import numpy as np

from service.audits.decided_rows import CODES
from service.audits.second_look import SHARE, second_look

AUDIT, N = "0f3f2b1e5d6c7a89", 20_000


def test_all_who_look_again_look_at_the_same_tenth() -> None:
    """The draw is the audit's own and no person's: all are spared their own, and what was scored again."""
    decided = np.full(N, CODES["keep"], dtype=np.uint8)
    drawn = second_look(decided, set(), set(), AUDIT)
    assert abs(drawn.astype(bool).mean() - SHARE) < 0.01
    own = set(np.flatnonzero(drawn)[::2].tolist())
    for spared in ((own | {N}, set()), (set(), own | {N})):  # a blind control is no row
        left = second_look(decided, *spared, AUDIT)
        assert set(np.flatnonzero(left)) == set(np.flatnonzero(drawn)) - own
    assert not np.array_equal(second_look(decided, set(), set(), AUDIT[::-1]), drawn)


def test_nobody_judges_again_what_nobody_judged() -> None:
    """Rows that are undecided, or were taken back, wait for a first judgement."""
    rng = np.random.default_rng(0)
    decided = rng.integers(0, 4, N).astype(np.uint8)
    drawn = second_look(decided, set(), set(), AUDIT)
    assert drawn.any()
    assert np.array_equal(drawn[drawn > 0], decided[drawn > 0])
