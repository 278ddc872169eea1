"""The command ``experiment``: train the cells of a table that are missing, and write it; draw a figure."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli import DataSetName, Device

Recipe = Annotated[str, typer.Option(help="Name of a recipe, or the path of a .toml file: how every cell is trained.")]


def experiment(
    name: Annotated[str, typer.Argument(help="strong-table, table1, table2, table3, figure2 or figure3.")],
    data_set: Annotated[DataSetName, typer.Option(help="What to train on.")] = DataSetName.fashion_mnist,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set; default: where it is installed.")] = None,
    results: Annotated[
        Path,
        typer.Option(help="Folder of results, NAME.jsonl and NAME.md; cells that are in it are not trained again."),
    ] = Path("docs/experiments"),
    recipe: Recipe = "quick",
    device: Annotated[Device, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = Device.cpu,
    rows: Annotated[
        list[str] | None,
        typer.Option("--row", help="Train this row's cells alone, by its name in the results; repeat it."),
    ] = None,
    cells: Annotated[int | None, typer.Option(min=0, help="Stop after so many; 0 only writes the table.")] = None,
) -> None:
    """Train what a table lacks and write it as Markdown, or draw a figure; several processes may work at one table."""
    from training.data.source import DataSource
    from training.devices import make_fabric
    from training.experiments.cells import Results
    from training.experiments.curves import draw_curves
    from training.experiments.loss_surface import draw_loss_surface
    from training.experiments.table import ExperimentError
    from training.experiments.tables import TABLES
    from training.experiments.train_cell import train_cell
    from training.recipe import load_recipe

    if name == "figure2":
        for path in draw_curves(Results(results / "table1.jsonl").read(), "asymmetric:0.8", results):
            typer.echo(str(path))
        return
    if name == "figure3":
        for path in draw_loss_surface(results):
            typer.echo(str(path))
        return
    if name not in TABLES:
        raise ExperimentError(f"no experiment {name!r}; there are {', '.join(TABLES)}, figure2 and figure3")
    table, how, fabric = TABLES[name], load_recipe(recipe), make_fabric(device.value)
    of = "" if data_set is DataSetName.fashion_mnist else f"-{data_set.value}"
    file = Results(results / f"{name}{of}.jsonl")
    if unknown := {*(rows or ())} - {row.name for row in table.rows}:
        known = ", ".join(row.name for row in table.rows)
        raise ExperimentError(f"{name} has no row {min(unknown)!r}; its rows are {known}")
    loaded, trained = None, 0
    for cell, method in table.cells():
        if rows and cell.method not in rows:
            continue
        if trained == cells:
            break
        with file.claim(cell) as mine:
            if not mine:
                continue
            loaded = loaded or DataSource(name=data_set.value, folder=data).load()
            result = train_cell(cell, method, loaded, how, recipe, fabric)
            file.add(result)
        trained += 1
        typer.echo(f"{cell}: {result.last:.4f} in {result.seconds:.0f} s", err=True)
    text = table.markdown(file.read())
    aside = file.path.with_suffix(".md.part")
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.write_text(text)
    aside.replace(file.path.with_suffix(".md"))
    typer.echo(text, nl=False)
