"""A table: which cells it is made of, and its Markdown."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from training.data.source import DataSetName
from training.experiments.cells import Cell, Result
from training.experiments.methods import Method
from training.training_set import Protocol

ACCURACIES = {
    "last": "After the last epoch",
    "picked": "After the epoch that is best on validation images",
    "best": "After the epoch that is best on the test split itself, as the paper has it",
}
"""Fields of a result, and what they are."""


@dataclass(frozen=True, eq=False)
class Row:
    """A method under its title."""

    title: str
    name: str
    method: Method
    sees_flips: bool = True
    """Whether it looks at given labels more closely than their groups; if not, one cell serves all flip rates."""
    trusted: int | None = None
    """Number of trusted samples, where it is not the column's."""
    most_seeds: int | None = None
    """Where fewer seeds than the column's are enough."""

    def seeds(self, column: "Column") -> int:
        """How many runs this row has in a column."""
        return column.seeds if self.most_seeds is None else min(self.most_seeds, column.seeds)


@dataclass(frozen=True, eq=False)
class Column:
    """Runs at one noise, with one number of trusted samples."""

    title: str
    noise: str
    trusted: int
    seeds: int


@dataclass(frozen=True, eq=False)
class Table:
    """Rows, and columns in the order in which they are to be trained."""

    title: str
    protocol: Protocol
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    data_set: DataSetName = "fashion-mnist"
    recipe: str = "quick"
    weights: str | None = None
    """What all cells start from, as in ``start_from``; these three unless a caller wants others."""

    def cell(self, row: Row, column: Column, seed: int) -> Cell:
        """The training that a seed of a row and column stands for."""
        noise = column.noise if row.sees_flips else "none"
        trusted = column.trusted if row.trusted is None else row.trusted
        return Cell(row.name, noise, trusted, seed, self.protocol)

    def cells(self) -> Iterator[tuple[Cell, Method]]:
        """All of them, once each: first seeds first, then column by column."""
        seen = set()
        for seed in range(max(column.seeds for column in self.columns)):
            for column in self.columns:
                for row in self.rows:
                    cell = self.cell(row, column, seed)
                    if seed < row.seeds(column) and cell not in seen:
                        seen.add(cell)
                        yield cell, row.method

    def markdown(self, results: Iterable[Result]) -> str:
        """Test accuracies in %, mean ± standard deviation over seeds, a table for each of ``ACCURACIES``."""
        by_cell = {result.cell: result for result in results}
        cells = [cell for cell, _ in self.cells()]
        count = f"{sum(cell in by_cell for cell in cells)} of {len(cells)} cells are done.\n"
        parts = [f"{title}:\n\n{self._one(by_cell, accuracy)}" for accuracy, title in ACCURACIES.items()]
        return "\n".join([count, *parts])

    def _one(self, by_cell: Mapping[Cell, Result], accuracy: str) -> str:
        columns = sorted(self.columns, key=lambda column: column.title)
        lines = [
            "| " + " | ".join(["", *(column.title for column in columns)]) + " |",
            "| --- " * (len(columns) + 1) + "|",
        ]
        for row in self.rows:
            shown = []
            for column in columns:
                cells = [self.cell(row, column, seed) for seed in range(row.seeds(column))]
                done = [getattr(by_cell[cell], accuracy) for cell in cells if cell in by_cell]
                shown.append(_figure(done, row.seeds(column)))
            lines.append("| " + " | ".join([row.title, *shown]) + " |")
        return "\n".join(lines) + "\n"


def _figure(accuracies: list[float], seeds: int) -> str:
    if not accuracies:
        return "…"
    mean = f"{100 * np.mean(accuracies):.2f}"
    if len(accuracies) == 1:
        return mean if seeds == 1 else f"{mean} (1 of {seeds})"
    spread = f"{mean} ± {100 * np.std(accuracies, ddof=1):.2f}"
    return spread if len(accuracies) == seeds else f"{spread} ({len(accuracies)} of {seeds})"
