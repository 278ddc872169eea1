"""Rates: who sends more often than he may is told when to come back."""

from collections import OrderedDict

MOST_REMEMBERED = 10_000


class Rates:
    """A token bucket for each sender. Used from the event loop alone.

    It is kept as in the generic cell rate algorithm (ITU-T I.371) by one number, the time at which it is full again.

    The least recently seen sender is forgotten first, as if its bucket were full: memory is bounded.
    """

    def __init__(self, per_second: float, burst: int, most: int = MOST_REMEMBERED) -> None:
        """Grant each sender ``per_second`` in the long run, and ``burst`` at once after a pause."""
        self._interval = max(round(1e9 / per_second), 1)
        self._slack = (burst - 1) * self._interval
        self._most = most
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def take(self, sender: str, now: int) -> int:
        """Take a token at a time in nanoseconds: 0 where there is one, else the nanoseconds until there is."""
        full_at = max(self._full_at.get(sender, now), now)
        wait = max(full_at - self._slack - now, 0)
        self._full_at[sender] = full_at if wait else full_at + self._interval
        self._full_at.move_to_end(sender)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return wait

    def __len__(self) -> int:
        """How many senders are remembered."""
        return len(self._full_at)
