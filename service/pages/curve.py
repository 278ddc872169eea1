"""The expected precision of a review by its budget, as a curve over a logarithmic axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.audits.report import Budget

WIDTH, HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 24, 12, 32
_FEW = 1000
"""Budgets that span less than so much have ticks between the powers of ten."""


@dataclass(frozen=True)
class Curve:
    """What the drawing is made of, in its own units: 0 to ``WIDTH``, 0 to ``HEIGHT``, downwards."""

    points: list[tuple[float, float]]
    """One for each budget."""
    across: list[tuple[float, str]]
    """Ticks of the budgets: where, and what to write."""
    up: list[tuple[float, str]]
    """Ticks of the precision."""
    plot: tuple[int, int, int, int] = (_LEFT, _TOP, WIDTH - _RIGHT, HEIGHT - _BOTTOM)
    """The area of the line: left, top, right and bottom; all budgets, and a precision of 1 to 0."""

    @property
    def path(self) -> str:
        """The line, as SVG writes it."""
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self.points)

    @property
    def area(self) -> str:
        """What lies below it."""
        (first, _), (last, _) = self.points[0], self.points[-1]
        bottom = self.plot[3]
        return f"{self.path}L{last:.1f} {bottom}L{first:.1f} {bottom}Z"


def curve(budgets: Sequence[Budget]) -> Curve | None:
    """Draw at least two budgets; None for fewer."""
    if len(budgets) < 2:
        return None
    low, high = math.log(budgets[0]["budget"]), math.log(budgets[-1]["budget"])

    def x(budget: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (math.log(budget) - low) / (high - low)

    def y(precision: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * precision

    first, last = budgets[0]["budget"], budgets[-1]["budget"]
    steps = (1, 2, 5) if last / first < _FEW else (1,)
    ticks = [step * 10**e for e in range(10) for step in steps if first <= step * 10**e <= last]
    return Curve(
        points=[(x(each["budget"]), y(each["precision"])) for each in budgets],
        across=[(x(tick), f"{tick:,}") for tick in ticks],
        up=[(y(share), f"{share:.0%}".replace("%", " %")) for share in (0.0, 0.5, 1.0)],
    )
