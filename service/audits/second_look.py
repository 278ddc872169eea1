"""Which decided rows a second person judges, so that one sees how far people agree."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

SHARE = 0.1
"""Of the rows, drawn by chance once for an audit: all who look a second time look at the same."""


def second_look(
    decided: NDArray[np.uint8], own: Collection[int], taken_in: Collection[int], audit_id: str
) -> NDArray[np.uint8]:
    """Return ``[N]``: the codes of the drawn rows that others alone decided about, and 0 for all others.

    ``decided`` has N codes of ``CODES``; ``own`` are the rows about which the one who looks has ever decided, and
    ``taken_in`` those that were scored again by what was decided, whose label would tell it.
    """
    drawn = np.random.default_rng(int(audit_id, 16)).random(len(decided)) < SHARE
    drawn[[row for row in (*own, *taken_in) if row < len(decided)]] = False
    return np.where(drawn, decided, np.uint8(0))
