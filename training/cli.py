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


class Device(StrEnum):
    """What to train on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(StrEnum):
    """What to compute in."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class Protocol(StrEnum):
    """How the trusted set is drawn."""

    paper = "paper"
    verified = "verified"


class DataSetName(StrEnum):
    """Data sets by the names of the command line."""

    fashion_mnist = "fashion-mnist"
    cifar10 = "cifar10"
    cifar100 = "cifar100"
    imagefolder = "imagefolder"
    food101n = "food101n"


class BadImages(StrEnum):
    """What becomes of images that can't be read."""

    stop = "stop"
    skip = "skip"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
DataDir = Annotated[Path | None, typer.Option("--data", help="Folder of the data set; default: where it is installed.")]


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or the path of a .toml file.")] = "strong",
    labels: Annotated[Path | None, typer.Option(help="Your own data: a label file. Needs --images.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder or archive with the label file's images.")] = None,
    data_set: Annotated[DataSetName, typer.Option(help="Or a data set by its name.")] = DataSetName.fashion_mnist,
    data: DataDir = None,
    size: Annotated[int | None, typer.Option(min=8, help="Pixels of a side that images are made into.")] = None,
    bad_images: Annotated[BadImages, typer.Option(help="What to do about images that can't be read.")] = BadImages.stop,
    noise: Annotated[
        str, typer.Option(help="none, asymmetric:R, symmetric:R, cifar10-convention:R or transition:FILE.")
    ] = "none",
    trusted: Annotated[int, typer.Option(min=0, help="Number of trusted samples, balanced over the classes.")] = 0,
    loss: Annotated[Loss | None, typer.Option(help="Log-projection (lp), or another; default: the recipe's.")] = None,
    relaxation: Annotated[str, typer.Option(help="Of the projective losses: l2, l2:SCALE or none.")] = "l2",
    groups: Annotated[Path | None, typer.Option(help="Groups file; default: the data set's own groups.")] = None,
    confidence_labels: Annotated[Path | None, typer.Option(help="Confidence-label file.")] = None,
    protocol: Annotated[Protocol, typer.Option(help="How the trusted set is drawn.")] = Protocol.verified,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    accumulate: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    weights: Annotated[str | None, typer.Option(help="What to start from: imagenet, or a file.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, where there is one.")] = False,
    device: Annotated[Device, typer.Option(help="auto: a GPU where there is one.")] = Device.auto,
    precision: Annotated[Precision, typer.Option(help="auto: bf16 on GPUs that have it.")] = Precision.auto,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the network, if that works.")] = False,
    out: Annotated[Path, typer.Option(help="Run folder to create.")] = Path("runs/latest"),
    as_json: Json = False,
) -> None:
    """Train a network on labels of which some are wrong, into a run folder: your own, or those of a data set."""
    from dataclasses import replace

    from models.confidence_labels import read_confidence_labels
    from models.groups import read_groups
    from training.data.source import DataSource
    from training.devices import make_fabric
    from training.loop import TrainingInterrupted
    from training.losses.relaxed_targets import Relaxation
    from training.recipe import load_recipe
    from training.run import Run
    from training.train_run import RunChoices, train_run
    from training.transition_noise import parse_noise

    if (labels is None) != (images is None):
        raise typer.BadParameter(
            "a label file and its images go together: give both, or neither", param_hint="--labels"
        )
    changes = {"epochs": epochs, "accumulate": accumulate}
    chosen = load_recipe(recipe).model_copy(update={name: value for name, value in changes.items() if value})
    if labels is not None and images is not None:
        source = DataSource.of_label_file(labels, images, size=size, bad_images=bad_images.value)
    else:
        folder = None if data is None else data.resolve()
        source = DataSource(name=data_set.value, folder=folder, size=size, bad_images=bad_images.value)
    choices = RunChoices(
        noise=parse_noise(noise),
        trusted=trusted,
        protocol=protocol.value,
        loss=None if loss is None else loss.value,
        confidence_labels=read_confidence_labels(confidence_labels) if confidence_labels else None,
        seed=seed,
        relaxation=Relaxation.parse(relaxation),
        weights=weights,
        source=source,
        compiled=compiled,
    )
    fabric = make_fabric(device.value, precision.value)
    loaded = source.load()
    if groups is not None:
        loaded = replace(loaded, groups=read_groups(groups, loaded.classes))
    run, epoch = Run(out), dict[str, float]()
    if fabric.is_global_zero:
        for warning in loaded.warnings:
            typer.echo(f"note: {warning}", err=True)
    try:
        for epoch in train_run(run, loaded, chosen, choices, fabric=fabric, resume=resume):
            if fabric.is_global_zero and epoch["epoch"] == 1:
                typer.echo(f"loss {run.config.loss}; confidence labels from {run.config.labels_from}", err=True)
            if fabric.is_global_zero:
                typer.echo(_epoch_line(epoch, of=chosen.epochs), err=True)
    except TrainingInterrupted as stop:
        if fabric.is_global_zero:
            typer.echo(f"lookalike: {stop}; the same command with --resume goes on from there", err=True)
        raise typer.Exit(128 + stop.signal) from stop
    if not fabric.is_global_zero:
        return
    if as_json:
        typer.echo(json.dumps({"run": str(out)} | epoch))
        return
    typer.echo(f"the run is in {out}; publish it with: lookalike export {out} --name NAME")


def _epoch_line(figures: dict[str, float], of: int) -> str:
    parts = [f"epoch {figures['epoch']:.0f}/{of}", f"loss {figures['loss']:.4f}"]
    for name, words in (("validation_accuracy", "validation accuracy"), ("held_out_loss", "held-out loss")):
        if name in figures:
            parts.append(f"{words} {figures[name]:.4f}")
    left = figures["seconds"] * (of - figures["epoch"])
    return "  ".join([*parts, f"{figures['seconds']:.0f} s, {left:.0f} s left"])


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    name: Annotated[str, typer.Option(help="Name of the model; the version is the next free number.")],
    data: Annotated[Path | None, typer.Option(help="Where the data are now, if they have moved since the run.")] = None,
    models: Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantise the graph, unless that costs too much.")] = False,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Halve the graph's size, for GPUs that compute in float16.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish a trained run as a model: graph, calibration, manifest and card."""
    from models.repository import SHIPPED, ModelRepository
    from training.export import export as publish
    from training.run import Run

    if int8 and fp16:
        raise typer.BadParameter("a graph is either in int8 or in float16", param_hint="--int8")
    from_run = Run(run)
    artifact = publish(
        from_run,
        from_run.load_data(data),
        ModelRepository(models or SHIPPED),
        name,
        form="int8" if int8 else "fp16" if fp16 else "fp32",
    )
    metrics = artifact.manifest.metrics
    if as_json:
        manifest = artifact.manifest
        typer.echo(json.dumps({"name": manifest.name, "version": manifest.version, "metrics": metrics}))
        return
    shown = [
        f"{words} {metrics[name]:.4f}"
        for name, words in (
            ("accuracy", "test accuracy"),
            ("ece", "calibration error"),
            ("validation_accuracy", "validation accuracy"),
        )
        if name in metrics
    ]
    typer.echo(f"published {artifact}: {', '.join(shown) or 'no held-out samples, so no figures'}")


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
