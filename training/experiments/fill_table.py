"""Fill a table: train the cells that it lacks, and write its Markdown."""

from collections.abc import Collection, Iterator

from lightning_fabric import Fabric

from training.checkpoint import write_whole
from training.data.source import DataSource
from training.experiments.cells import Result, Results
from training.experiments.errors import ExperimentError
from training.experiments.table import Table
from training.experiments.train_cell import train_cell
from training.recipe import load_recipe


def fill_table(
    table: Table,
    file: Results,
    source: DataSource,
    *,
    recipe: str,
    weights: str | None,
    fabric: Fabric,
    rows: Collection[str],
    most: int | None,
) -> Iterator[Result]:
    """Train the cells, at ``most`` so many, that are neither done nor being trained elsewhere; yields their results.

    ``rows`` are the methods' names, all where it is empty. Raises ``ExperimentError`` for one that the table lacks.
    """
    known = [row.name for row in table.rows]
    if unknown := set(rows) - set(known):
        raise ExperimentError(f"the table has no row {min(unknown)!r}; its rows are {', '.join(known)}")
    how, data, trained = load_recipe(recipe), None, 0
    for cell, method in table.cells():
        if trained == most:
            return
        if rows and cell.method not in rows:
            continue
        with file.claim(cell) as mine:
            if not mine:
                continue
            data = data or source.load()
            result, _ = train_cell(cell, method, data, how, recipe, fabric, weights=weights)
            file.add(result)
        trained += 1
        yield result


def write_table(table: Table, file: Results) -> str:
    """Write the results so far as Markdown beside their file; returns it."""
    text = table.markdown(file.read())
    file.path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file.path.with_suffix(".md"), text.encode())
    return text
