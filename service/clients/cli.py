"""The command ``classify``. Its body imports the rest; this file does not."""

import json
from pathlib import Path
from typing import Annotated

import typer

from service.cli import Json, Model, ModelsDir


def classify(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
    model: Model = None,
    models: ModelsDir = None,
    server: Annotated[
        str | None, typer.Option(help="Ask the service at this URL instead of loading a model.", metavar="URL")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="LOOKALIKE_API_KEY", help="Key for the service; others on this machine can't see the variable."
        ),
    ] = None,
    level: Annotated[float, typer.Option(min=1e-6, max=1, help="Probability at which an answer is sure.")] = 0.95,
    top_k: Annotated[int, typer.Option(min=1, help="How many classes to list.")] = 5,
    as_json: Json = False,
) -> None:
    """Classify image files, by a model of the repository or by a running service."""
    from service.clients.document import has_failures, sentences

    if server is None:
        from models.repository import SHIPPED, ModelRepository
        from service.clients.local import classify_here

        document = classify_here(images, ModelRepository(models or SHIPPED), model, level=level, top_k=top_k)
    else:
        from service.clients.remote import Remote

        source = context.get_parameter_source("models")
        if source is not None and source.name == "COMMANDLINE":  # the variable may be set for other commands
            raise typer.BadParameter("with --server the models are the service's", param_hint="--models")
        with Remote(server, api_key) as service:
            document = service.classify(images, model, level=level, top_k=top_k)
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        for line in sentences(document, images):
            typer.echo(line)
        for warning in document.get("warnings", ()):
            typer.echo(f"warning: {warning}", err=True)
    if has_failures(document):
        raise typer.Exit(1)
