"""The transition matrix as a heat map: who is mistaken for whom."""

from dataclasses import dataclass

import numpy as np

from service.audits.report import Transition

MOST_CLASSES = 16
"""A larger map can't be read; the classes that are confused most are shown."""
SHADES = 9


@dataclass(frozen=True)
class Cell:
    """Labels of one given class whose image shows one true class."""

    true: int
    """Index of the class."""
    given: int
    count: float
    rate: float
    """Share of the true class's labels."""
    shade: int
    """0 to ``SHADES``: how many, against the fullest cell off the diagonal."""


@dataclass(frozen=True)
class HeatMap:
    """The cells, row by row; a row is a true class."""

    classes: list[str]
    """All of them; cells and ``shown`` are about their indices."""
    shown: list[int]
    rows: list[list[Cell]]
    left_out: int
    """Classes that are not shown."""
    largest: list[Cell]
    """The fullest cells off the diagonal, of all classes."""


def heat_map(transition: Transition, most: int = 8) -> HeatMap:
    """Draw the map, and list the ``most`` fullest directed pairs of half a row or more."""
    classes, counts = transition["classes"], np.array(transition["counts"])
    wrong = counts - np.diag(counts.diagonal())
    busiest = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")[:MOST_CLASSES]
    shown = sorted(busiest.tolist()) if len(classes) > MOST_CLASSES else list(range(len(classes)))
    fullest = max(float(wrong.max()), 1.0)

    def cell(true: int, given: int) -> Cell:
        number = float(counts[true, given])
        shade = 0 if true == given or number < 0.5 else max(1, round(SHADES * (number / fullest) ** 0.5))
        return Cell(true, given, number, transition["rates"][true][given], shade)

    cells = [divmod(int(at), len(classes)) for at in np.argsort(-wrong, axis=None, kind="stable")[:most]]
    return HeatMap(
        classes=classes,
        shown=shown,
        rows=[[cell(true, given) for given in shown] for true in shown],
        left_out=len(classes) - len(shown),
        largest=[cell(true, given) for true, given in cells if wrong[true, given] >= 0.5],
    )
