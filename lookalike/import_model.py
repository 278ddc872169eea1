"""The command ``models import``: a classifier or encoder from elsewhere, as ONNX."""

# ruff: noqa: PLC0415 - imports when it runs, as every command does: help is quick and needs no onnx

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class LayoutName(StrEnum):
    """Orders of the input's dimensions, by the names of the command line."""

    nchw = "nchw"
    nhwc = "nhwc"


def import_model(
    onnx: Annotated[Path, typer.Argument(metavar="ONNX", help="ONNX file; weights in files beside it are taken in.")],
    name: Annotated[str, typer.Option(help="Name of the published model.")],
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
    imported = import_onnx(onnx, ModelRepository(models or SHIPPED), name, options)
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
