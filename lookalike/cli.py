"""The command ``lookalike``."""

import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

import lookalike.confidence_labels
import service.access.cli
import service.cli
import service.clients.cli
import training.cli
import training.experiments.cli
from lookalike.evaluate import evaluate
from lookalike.import_model import import_model, pretrained
from lookalike.quantize_model import quantize_model
from models.errors import LookalikeError

app = typer.Typer(
    name="lookalike",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Image classifiers that know which classes look alike: train, serve, and audit labels."""
    if show_version:
        typer.echo(version("lookalike"))
        raise typer.Exit


app.command()(service.cli.serve)
app.command()(service.clients.cli.classify)
app.command()(service.cli.audit)
app.command()(service.cli.worker)
app.command()(service.cli.migrate)
service.cli.models.command("import")(import_model)
service.cli.models.command("pretrained")(pretrained)
service.cli.models.command("quantize")(quantize_model)
app.add_typer(service.cli.models, name="models")
app.add_typer(service.access.cli.keys, name="keys")
app.add_typer(lookalike.confidence_labels.app, name="confidence-labels")
app.command()(training.cli.train)
app.command()(training.cli.export)
app.command()(training.cli.noise)
app.command()(training.experiments.cli.experiment)
app.command()(evaluate)


_TRAINING = {
    "torch",
    "torchvision",
    "lightning_fabric",
    "tensorboardX",
    "onnx",
    "onnxscript",
    "safetensors",
    "sklearn",
    "matplotlib",
}
"""What only the commands that train need."""


def main() -> None:
    """Run the command; an error meant for the person is one line on stderr and exit code 1.

    So is a file that can't be read or written, wherever that comes up.
    """
    try:
        app()
    except LookalikeError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if error.name not in _TRAINING:
            raise
        _fail(f"this command needs {error.name}: install the extra `train` (make .venv/everything)")
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"lookalike: {message}", err=True)
    sys.exit(1)
