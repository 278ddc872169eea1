"""The commands ``models import`` and ``models pretrained``: networks from elsewhere, as ONNX or from torchvision."""

# ruff: noqa: PLC0415 - imports when it runs, as every command does: help is quick and needs no onnx

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lookalike.importing.publish import ImportedModel


class LayoutName(StrEnum):
    """Orders of the input's dimensions, by the names of the command line."""

    nchw = "nchw"
    nhwc = "nhwc"


class Network(StrEnum):
    """Torchvision's residual networks, by their names there."""

    resnet18 = "resnet18"
    resnet34 = "resnet34"
    resnet50 = "resnet50"


Name = Annotated[str, typer.Option(help="Name of the published model.")]
Groups = Annotated[Path | None, typer.Option(help="Groups file; default: by the predictions, if calibrated.")]
Calibrate = Annotated[Path | None, typer.Option(metavar="LABELS", help="Label file with clean labels to calibrate on.")]
Images = Annotated[Path | None, typer.Option(help="Its images: folder, .zip or .tar.")]
Models = Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def import_model(
    onnx: Annotated[Path, typer.Argument(metavar="ONNX", help="ONNX file; weights in files beside it are taken in.")],
    name: Name,
    classes: Annotated[
        Path | None, typer.Option(help="Class names, one a line or a JSON list; without them the model is an encoder.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Side of the pictures, or HEIGHTxWIDTH; default: what the graph says.")
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Shorter side before the centre is cropped: pixels (256), or the crop's share of it (0.875); "
            "default: the size.",
        ),
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="Mean of each channel's values in 0..1, with commas; default: ImageNet's.")
    ] = None,
    std: Annotated[str | None, typer.Option(help="Their standard deviations; default: ImageNet's.")] = None,
    layout: Annotated[LayoutName, typer.Option(help="Order of the input's dimensions.")] = LayoutName.nchw,
    embedding: Annotated[
        str | None,
        typer.Option(metavar="TENSOR", help="Tensor of the graph; default: what goes into the last linear layer."),
    ] = None,
    groups: Groups = None,
    calibrate: Calibrate = None,
    images: Images = None,
    models: Models = None,
    as_json: Json = False,
) -> None:
    """Publish an ONNX classifier or image encoder as a model, checked against the original and calibrated."""
    from lookalike.importing.preprocessing import PreprocessingOptions
    from lookalike.importing.publish import ImportOptions, import_onnx
    from models.repository import SHIPPED, ModelRepository

    preprocessing = PreprocessingOptions(size=size, resize=resize, layout=layout.value, mean=mean, std=std)
    options = ImportOptions(
        classes=classes,
        embedding=embedding,
        groups=groups,
        calibrate=calibrate,
        images=images,
        preprocessing=preprocessing,
    )
    _say(import_onnx(onnx, ModelRepository(models or SHIPPED), name, options), as_json=as_json)


def pretrained(
    network: Annotated[Network, typer.Argument(help="Which of torchvision's networks.")],
    name: Name,
    classes: Annotated[Path, typer.Option(help="Class names in the order of the logits, one a line or a JSON list.")],
    weights: Annotated[str, typer.Option(help="imagenet (downloads them), or a file of them.")] = "imagenet",
    size: Annotated[
        int, typer.Option(min=32, help="Side of the pictures; the shorter side is scaled to 8/7 of it.")
    ] = 224,
    groups: Groups = None,
    calibrate: Calibrate = None,
    images: Images = None,
    models: Models = None,
    as_json: Json = False,
) -> None:
    """Publish a pretrained network of torchvision as a model; its confidence labels: `confidence-labels from-model`."""
    from lookalike.importing.publish import ImportOptions
    from lookalike.importing.torchvision_network import import_torchvision
    from models.repository import SHIPPED, ModelRepository

    options = ImportOptions(classes=classes, groups=groups, calibrate=calibrate, images=images)
    repository = ModelRepository(models or SHIPPED)
    _say(import_torchvision(network.value, weights, repository, name, options, size=size), as_json=as_json)


def _say(imported: "ImportedModel", *, as_json: bool) -> None:
    manifest = imported.artifact.manifest
    if as_json:
        typer.echo(json.dumps({"model": manifest.model_dump(mode="json"), "warnings": imported.warnings}))
        return
    if manifest.is_encoder:
        what = f"an encoder of {manifest.embedding_size} numbers"
    elif manifest.calibration is None:
        what = f"{len(manifest.classes)} classes, not calibrated"
    else:
        accuracy, error = manifest.metrics["validation_accuracy"], manifest.metrics["validation_ece"]
        what = f"{len(manifest.classes)} classes, accuracy {accuracy:.4f}, calibration error {error:.4f}"
    typer.echo(f"published {imported.artifact}: {what}")
    for warning in imported.warnings:
        typer.echo(f"warning: {warning}", err=True)
