"""The command ``models pretrained``: a network of torchvision with its published weights."""

# ruff: noqa: PLC0415 - imports when it runs, as every command does: help is quick and needs no torch

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Network(StrEnum):
    """Torchvision's residual networks, by their names there."""

    resnet18 = "resnet18"
    resnet34 = "resnet34"
    resnet50 = "resnet50"


def pretrained(
    network: Annotated[Network, typer.Argument(help="Which of torchvision's networks.")],
    name: Annotated[str, typer.Option(help="Name of the published model.")],
    classes: Annotated[Path, typer.Option(help="Class names in the order of the logits, one a line or a JSON list.")],
    weights: Annotated[str, typer.Option(help="imagenet (downloads them), or a file of them.")] = "imagenet",
    size: Annotated[
        int, typer.Option(min=32, help="Side of the pictures; the shorter side is scaled to 8/7 of it.")
    ] = 224,
    groups: Annotated[
        Path | None, typer.Option(help="Groups file; default: by the predictions, if calibrated.")
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="LABELS", help="Label file with clean labels to calibrate on.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Its images: folder, .zip or .tar.")] = None,
    models: Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Publish a pretrained network of torchvision as a model; its confidence labels: `confidence-labels from-model`."""
    from lookalike.importing.publish import ImportOptions
    from lookalike.importing.torchvision_network import import_torchvision
    from models.repository import SHIPPED, ModelRepository

    options = ImportOptions(classes=classes, groups=groups, calibrate=calibrate, images=images)
    repository = ModelRepository(models or SHIPPED)
    imported = import_torchvision(network.value, weights, repository, name, options, size=size)
    manifest = imported.artifact.manifest
    if as_json:
        typer.echo(json.dumps({"model": manifest.model_dump(mode="json"), "warnings": imported.warnings}))
        return
    typer.echo(f"published {imported.artifact}: {len(manifest.classes)} classes")
    for warning in imported.warnings:
        typer.echo(f"warning: {warning}", err=True)
