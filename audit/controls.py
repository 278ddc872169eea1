"""Blind controls of a review: labels of which it is known whether they are right, shown as if they were suspicious.

For a directed pair (given b, suggested a) a *right* control is an image that is known to be b: who accepts a for it is
mistaken. A *planted* one is an image known to be a, shown as if it were labelled b: who keeps b misses it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 0.05
"""Controls of each sort among the flagged rows of a pair."""
MOST_OF_A_PAIR = 20
FEWEST_FLAGGED = 5
"""A pair with fewer flagged rows gets no controls: they would be half of what is looked at."""
SETTLED = 0.02
"""P(wrong) up to which a label that nobody verified counts as known."""


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class Controls:
    """C controls."""

    row: NDArray[np.int64]
    """``[C]``: the row whose image is shown."""
    given: NDArray[np.int32]
    """``[C]``: the class that the image is said to be labelled with."""
    suggested: NDArray[np.int32]
    """``[C]``: the class that is suggested."""
    planted: NDArray[np.bool_]
    """``[C]``: the suggestion is right; else the label shown is."""
    beside: NDArray[np.int64]
    """``[C]``: the flagged row that the control follows, and whose P(wrong) it bears."""


def draw_controls(
    given: NDArray[np.int32],
    suggested: NDArray[np.int32],
    flagged: NDArray[np.bool_],
    known: NDArray[np.bool_],
    classes: int,
    rng: np.random.Generator,
    most: int = 1000,
) -> Controls:
    """Draw controls for the directed pairs with the most flagged rows, at most ``most``.

    All arrays are ``[N]``; classes from 0 to ``classes`` - 1. ``known`` are the rows whose label is known to be right;
    those come first for which the model's second choice is the other class of the pair, since the others are too
    easy. A row is a control at most once.
    """
    suspicious = np.flatnonzero(flagged)
    pair = given[suspicious].astype(np.int64) * classes + suggested[suspicious]
    pairs, counts = np.unique(pair, return_counts=True)
    pool = rng.permutation(np.flatnonzero(known & ~flagged))
    pool = pool[np.argsort(given[pool], kind="stable")]
    starts = np.searchsorted(given[pool], np.arange(classes + 1))
    used = np.zeros(len(given), dtype=bool)
    drawn: list[tuple[int, int, int, bool, int]] = []
    for at in np.argsort(-counts, kind="stable"):
        if counts[at] < FEWEST_FLAGGED:
            break
        b, a = divmod(int(pairs[at]), classes)
        wanted = min(max(1, round(SHARE * int(counts[at]))), MOST_OF_A_PAIR)
        members = suspicious[pair == pairs[at]]
        for planted, truth, other in ((False, b, a), (True, a, b)):
            candidates = pool[starts[truth] : starts[truth + 1]]
            candidates = candidates[~used[candidates]]
            easy = suggested[candidates] != other
            picked = candidates[np.argsort(easy, kind="stable")][:wanted]
            used[picked] = True
            beside = rng.choice(members, len(picked))
            drawn += [(int(row), b, a, planted, int(follows)) for row, follows in zip(picked, beside, strict=True)]
        if len(drawn) >= most:
            break
    drawn = [drawn[i] for i in rng.permutation(len(drawn))[:most]]
    row, shown, believed, planted_, follows_ = (
        (list(column) for column in zip(*drawn, strict=True)) if drawn else [[]] * 5
    )
    return Controls(
        np.array(row, dtype=np.int64),
        np.array(shown, dtype=np.int32),
        np.array(believed, dtype=np.int32),
        np.array(planted_, dtype=bool),
        np.array(follows_, dtype=np.int64),
    )
