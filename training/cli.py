"""Commands that train: train, export, noise. Their bodies import torch; this file does not."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Loss(StrEnum):
    """Losses by the names of the command line."""

    lp = "lp"
    p = "p"
    pce = "pce"
    pl1 = "pl1"
    pmse = "pmse"
    pfocal = "pfocal"
    ce = "ce"
    ls = "ls"
    gce = "gce"
    forward = "forward"
    glc = "glc"


class Protocol(StrEnum):
    """How the trusted set is drawn."""

    paper = "paper"
    verified = "verified"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
DataDir = Annotated[Path | None, typer.Option("--data", help="Folder of the data set; default: where it is installed.")]


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or the path of a .toml file.")],
    data: DataDir = None,
    noise: Annotated[str, typer.Option(help="none, asymmetric:R, symmetric:R or cifar10-convention:R.")] = "none",
    trusted: Annotated[int, typer.Option(min=0, help="Number of trusted samples, balanced over the classes.")] = 0,
    loss: Annotated[Loss, typer.Option(help="Log-projection (lp), or one of the losses beside it.")] = Loss.lp,
    relaxation: Annotated[str, typer.Option(help="Of the projective losses: l2, l2:SCALE or none.")] = "l2",
    groups: Annotated[Path | None, typer.Option(help="Groups file; default: the data set's own groups.")] = None,
    confidence_labels: Annotated[Path | None, typer.Option(help="Confidence-label file.")] = None,
    protocol: Annotated[Protocol, typer.Option(help="How the trusted set is drawn.")] = Protocol.verified,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Run folder to create.")] = Path("runs/latest"),
    as_json: Json = False,
) -> None:
    """Train a network on Fashion-MNIST with noisy labels, into a run folder."""
    from dataclasses import replace

    from models.confidence_labels import read_confidence_labels
    from models.groups import read_groups
    from training.data import load_fashion_mnist
    from training.losses.relaxed_targets import Relaxation
    from training.noise import Noise
    from training.recipe import load_recipe
    from training.run import Run
    from training.train_run import RunChoices, train_run

    chosen = load_recipe(recipe)
    if epochs is not None:
        chosen = chosen.model_copy(update={"epochs": epochs})
    choices = RunChoices(
        noise=Noise.parse(noise),
        trusted=trusted,
        protocol=protocol.value,
        loss=loss.value,
        confidence_labels=read_confidence_labels(confidence_labels) if confidence_labels else None,
        seed=seed,
        relaxation=Relaxation.parse(relaxation),
    )
    data_set = load_fashion_mnist(data)
    if groups is not None:
        data_set = replace(data_set, groups=read_groups(groups, data_set.classes))
    epoch: dict[str, float] = {}
    for epoch in train_run(Run(out), data_set, chosen, choices):
        typer.echo(
            f"epoch {epoch['epoch']:.0f}  loss {epoch['loss']:.4f}  "
            f"validation accuracy {epoch['validation_accuracy']:.4f}  {epoch['seconds']:.0f} s",
            err=True,
        )
    if as_json:
        typer.echo(json.dumps({"run": str(out)} | epoch))
        return
    typer.echo(f"the run is in {out}; publish it with: lookalike export {out} --name NAME")


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    name: Annotated[str, typer.Option(help="Name of the model; the version is the next free number.")],
    data: DataDir = None,
    models: Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantise the graph, unless that costs too much.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a trained run as a model: graph, calibration, manifest and card."""
    from models.repository import SHIPPED, ModelRepository
    from training.data import load_fashion_mnist
    from training.export import export as publish
    from training.run import Run

    artifact = publish(Run(run), load_fashion_mnist(data), ModelRepository(models or SHIPPED), name, int8=int8)
    metrics = artifact.manifest.metrics
    if as_json:
        manifest = artifact.manifest
        typer.echo(json.dumps({"name": manifest.name, "version": manifest.version, "metrics": metrics}))
        return
    typer.echo(f"published {artifact}: test accuracy {metrics['accuracy']:.4f}, calibration error {metrics['ece']:.4f}")


def noise(
    labels: Annotated[Path, typer.Argument(help="Label file whose labels are right.")],
    out: Annotated[Path, typer.Option(help="Label file to write.")],
    noise: Annotated[
        str,
        typer.Option(
            help="asymmetric:R, symmetric:R, cifar10-convention:R, transition:FILE (true class by given class), or "
            "confusion:R (where the file's columns prob_<class> see other classes)."
        ),
    ],
    groups: Annotated[Path | None, typer.Option(help="Groups file.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Flip a known share of the labels of a file, to see what an audit finds."""
    from training.noise_file import add_noise

    made = add_noise(labels, noise, groups, seed=seed, out=out)
    if as_json:
        typer.echo(json.dumps({"changed": made.changed, "sha256": made.sha256}))
        return
    typer.echo(f"changed {made.changed} labels; wrote {out}, sha256 {made.sha256}")
