"""The command ``lookalike``."""

import sys
from typing import NoReturn

import typer

import lookalike.confidence_labels
import service.cli
import training.cli
from lookalike.evaluate import evaluate
from models.errors import LookalikeError

app = typer.Typer(
    name="lookalike",
    help="Image classifiers that know which classes look alike: train, serve, and audit labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(service.cli.serve)
app.command()(service.cli.classify)
app.command()(service.cli.audit)
app.add_typer(service.cli.models, name="models")
app.add_typer(lookalike.confidence_labels.app, name="confidence-labels")
app.command()(training.cli.train)
app.command()(training.cli.export)
app.command()(training.cli.noise)
app.command()(evaluate)


def main() -> None:
    """Run the command; an error meant for the person is one line on stderr and exit code 1.

    So is a file that can't be read or written, wherever that comes up.
    """
    try:
        app()
    except LookalikeError as error:
        _fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"lookalike: {message}", err=True)
    sys.exit(1)
