"""Which rows are decided, as an array: a page of undecided rows must not read a hundred thousand decisions."""

import threading
from collections import OrderedDict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.audits.decisions import Decisions, Verdict

CODES: Final[dict[Verdict, int]] = {"undecided": 0, "keep": 1, "relabel": 2, "unsure": 3}

_MOST_AUDITS = 8
_AGAIN = 1000
"""Decisions that are read once more: databases give out numbers before they commit, so a lower one may come later."""


class DecidedRows:
    """Remembers a byte for each row of the audits last asked for, and reads what was decided since."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._known: OrderedDict[str, tuple[NDArray[np.uint8], int]] = OrderedDict()
        self._lock = threading.Lock()

    def codes(self, audit_id: str, rows: int) -> NDArray[np.uint8]:
        """Return ``[rows]``: of each row's latest decision, a code of ``CODES``. It is the caller's own."""
        with self._lock:
            codes, last = self._known.pop(audit_id, (np.zeros(rows, dtype=np.uint8), 0))
            if len(codes) < rows:
                codes, last = np.zeros(rows, dtype=np.uint8), 0
            for number, row, verdict in self._decisions.since(audit_id, last - _AGAIN):
                if row < len(codes):
                    codes[row] = CODES[verdict]
                last = number
            self._known[audit_id] = codes, last
            if len(self._known) > _MOST_AUDITS:
                self._known.popitem(last=False)
            return codes[:rows].copy()
