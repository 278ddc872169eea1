"""The command ``experiment``: train the cells of a table that are missing, and write it; draw a figure."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli import BadImages, DataSetName, Device


def experiment(
    name: Annotated[str, typer.Argument(help="strong-table, table1 to table5, or figure1 to figure3.")],
    data_set: Annotated[
        DataSetName | None, typer.Option(help="What to train on; default: the table's own, mostly fashion-mnist.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set; default: where it is installed.")] = None,
    size: Annotated[int | None, typer.Option(min=8, help="Pixels of a side that photographs are made into.")] = None,
    bad_images: Annotated[BadImages, typer.Option(help="What to do about images that can't be read.")] = BadImages.stop,
    results: Annotated[
        Path,
        typer.Option(help="Folder of results, NAME.jsonl and NAME.md; cells that are in it are not trained again."),
    ] = Path("docs/experiments"),
    recipe: Annotated[
        str | None, typer.Option(help="Recipe of all cells, a name or the path of a .toml file; default: the table's.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="What all cells start from: imagenet, or a file; default: the table's.")
    ] = None,
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
    from training.experiments.errors import ExperimentError
    from training.experiments.feature_map import draw_feature_map, trained_features
    from training.experiments.fill_table import fill_table, write_table
    from training.experiments.loss_surface import draw_loss_surface
    from training.experiments.tables import TABLES
    from training.recipe import load_recipe

    table = TABLES.get(name)
    chosen = (table.data_set if table else "fashion-mnist") if data_set is None else data_set.value
    source = DataSource(name=chosen, folder=data, size=size, bad_images=bad_images.value)
    if name in {"figure1", "figure2", "figure3"}:
        if name == "figure1":
            how, loaded = recipe or "brief", source.load()
            shown = trained_features(loaded, results, load_recipe(how), Path(how).stem, make_fabric(device.value))
            paths = draw_feature_map(shown, loaded.groups, results)
        elif name == "figure2":
            paths = draw_curves(Results(results / "table1.jsonl").read(), "asymmetric:0.8", results)
        else:
            paths = draw_loss_surface(results)
        for path in paths:
            typer.echo(str(path))
        return
    if table is None:
        raise ExperimentError(f"no experiment {name!r}; there are {', '.join(TABLES)}, figure1, figure2 and figure3")
    file = Results(results / f"{name}{'' if chosen == table.data_set else f'-{chosen}'}.jsonl")
    for result in fill_table(
        table,
        file,
        source,
        recipe=recipe or table.recipe,
        weights=weights or table.weights,
        fabric=make_fabric(device.value),
        rows=rows or (),
        most=cells,
    ):
        typer.echo(f"{result.cell}: {result.last:.4f} in {result.seconds:.0f} s", err=True)
    typer.echo(write_table(table, file), nl=False)
