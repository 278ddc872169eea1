"""The command ``models quantize``: the int8 form of a published classifier, as a model of its own."""

# ruff: noqa: PLC0415 - imports when it runs, as every command does: help is quick and needs no onnx

import json
from pathlib import Path
from typing import Annotated

import typer


def quantize_model(
    model: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A published classifier.")],
    name: Annotated[str | None, typer.Option(help="Name of the model to publish; default: NAME-int8.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Label file with clean labels; default: the data set it was trained on.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Its images: folder, .zip or .tar.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set; default: where it is installed.")] = None,
    models: Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")] = None,
    into: Annotated[Path | None, typer.Option(help="Repository to publish into; default: the same.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Publish a classifier in int8: smaller and faster, calibrated anew, refused where it loses too much."""
    from lookalike.quantizing.evidence import from_data_set, from_label_file
    from lookalike.quantizing.publish import quantize_version
    from models.errors import LookalikeError
    from models.repository import SHIPPED, ModelRepository

    repository = ModelRepository(models or SHIPPED)
    artifact = repository.resolve(model)
    if labels is None:
        evidence = from_data_set(artifact, data)
    elif images is None:
        raise LookalikeError("--labels needs the images that the label file names: --images DIR")
    else:
        evidence = from_label_file(artifact, labels, images)
    target = ModelRepository(into) if into else repository
    made = quantize_version(artifact, evidence, target, name or f"{artifact.manifest.name}-int8")
    manifest = made.manifest
    if as_json:
        typer.echo(json.dumps(manifest.model_dump(mode="json")))
        return
    assert manifest.quantization is not None
    accuracy, error = (
        f"{manifest.metrics[figure]:.4f} (in float32 {manifest.quantization.float_metrics[figure]:.4f})"
        for figure in ("validation_accuracy", "validation_ece")
    )
    typer.echo(f"published {made}: accuracy {accuracy}, calibration error {error}")
