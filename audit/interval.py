"""A number with its 95 % interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval."""

    estimate: float
    low: float
    high: float

    @classmethod
    def around(cls, estimate: float, draws: NDArray[np.float64]) -> "Interval":
        """Take the middle 95 % of bootstrap ``draws``."""
        low, high = np.quantile(draws, [0.025, 0.975])
        return cls(estimate, float(low), float(high))

    def stretched_to(self, estimate: float) -> "Interval":
        """Return another estimate with an interval that holds this one, and this one moved to the estimate."""
        shift = estimate - self.estimate
        return Interval(estimate, self.low + min(shift, 0), self.high + max(shift, 0))

    def covering(self, estimates: NDArray[np.float64]) -> "Interval":
        """Return the interval stretched so that it holds these estimates too."""
        return Interval(self.estimate, min([self.low, *estimates]), max([self.high, *estimates]))

    def widened(self, slack: float) -> "Interval":
        """Return the interval with ``slack`` added on both sides."""
        return Interval(self.estimate, self.low - slack, self.high + slack)

    def holds(self, value: float) -> bool:
        """Whether the interval contains a value."""
        return self.low <= value <= self.high

    def times(self, share: float) -> "Interval":
        """Return the interval in another unit."""
        return Interval(self.estimate * share, self.low * share, self.high * share)

    def clipped(self, low: float, high: float) -> "Interval":
        """Return the part of the interval that can be: each of the three numbers, cut to ``[low, high]``."""
        return Interval(*(min(max(value, low), high) for value in (self.estimate, self.low, self.high)))

    def to_json(self) -> dict[str, float]:
        """Return the form of the report."""
        return {"estimate": self.estimate, "low": self.low, "high": self.high}
