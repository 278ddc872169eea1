"""The commands serve, audit, worker, migrate and models. Their bodies import the rest; this file does not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.manifest import Manifest
    from models.repository import ModelRepository
    from service.audits.run import Progress
    from service.inference.classifier import Classifier

ModelsDir = Annotated[
    Path | None, typer.Option("--models", envvar="LOOKALIKE_MODELS_DIR", help="Model repository; default: the shipped.")
]
Model = Annotated[str | None, typer.Option("--model", help="NAME or NAME@VERSION; default: the only model there is.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


class Evidence(StrEnum):
    """Kinds of evidence by the names of the command line."""

    auto = "auto"
    reference = "reference"
    cross_validated = "cross_validated"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    models: ModelsDir = None,
) -> None:
    """Serve the models of a repository over HTTP."""
    import os
    import signal
    import sys

    # Before numpy is imported: requests share the cores, and a small product split among them costs 20 times its work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from service.access.binding import check_binding
    from service.http.address import check_address
    from service.http.server import DrainingServer
    from service.services import Services
    from service.settings import Settings
    from service.telemetry.logs import configure

    settings = Settings.from_environment()
    configure(settings)
    if models is not None:
        settings = settings.model_copy(update={"models_dir": models})
    check_binding(host, settings)
    check_address(host, port)
    # When uvicorn has shut down it raises the signal again, by which a process that ended well would seem killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Services.running(settings) as services:  # not in the app's lifespan: what is wrong is one line, no traceback
        DrainingServer(services, host=host, port=port).run()


def audit(
    labels: Annotated[
        Path,
        typer.Argument(
            help="Label file: .csv, .tsv, .jsonl, .json or .parquet; or images alone, in folders called like classes."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for rows.parquet and report.json.")],
    images: Annotated[Path | None, typer.Option(help="Folder, .zip or .tar that holds the images.")] = None,
    model: Model = None,
    models: ModelsDir = None,
    evidence: Annotated[Evidence, typer.Option(help="Where the evidence comes from.")] = Evidence.auto,
    label_column: Annotated[str | None, typer.Option(help="Column of the labels; default: found by name.")] = None,
    image_column: Annotated[
        str | None, typer.Option(help="Column that names the images; default: found by name.")
    ] = None,
    groups: Annotated[Path | None, typer.Option(help="Groups file; default: the model's own groups.")] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Add the model's probabilities.")] = False,
    as_json: Json = False,
) -> None:
    """Find the labels of a file that are likely wrong."""
    from labels.images.opening import holds_images
    from service.audits.input_columns import find
    from service.audits.run import run_audit
    from service.audits.steps.files import scan_table
    from service.audits.steps.finish import REPORT, ROWS
    from service.audits.steps.options import AuditOptions
    from service.audits.summary import summary

    options = AuditOptions(
        model=model,
        evidence=evidence.value,
        label_column=label_column,
        image_column=image_column,
        groups=None if groups is None else groups.read_text(errors="replace"),
        probabilities=probabilities,
    )
    label_file = None if images is None and holds_images(labels) else labels
    with _progress_bar() as progress:
        report = run_audit(
            label_file,
            labels if label_file is None else images,
            options,
            lambda: _classifier(models, model),
            out,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(report, indent=1))
        return
    rows = scan_table(out / ROWS).collect()
    for line in summary(report, rows, find(report["columns"]["label"], rows.columns)):
        typer.echo(line)
    typer.echo(f"rows: {out / ROWS}\nreport: {out / REPORT}")


def worker() -> None:
    """Carry out the audits of the ledger, until told to stop: beside servers that run with LOOKALIKE_WORKER=off."""
    from service.data_folder import make_data_folder
    from service.jobs.process import work
    from service.settings import Settings

    settings = Settings.from_environment()
    make_data_folder(settings.data_dir)
    work(settings)


def migrate() -> None:
    """Bring the ledger's tables up to date; servers and workers do so too when they start."""
    from service.data_folder import make_data_folder
    from service.jobs.database import migrate as bring_up_to_date
    from service.jobs.database import open_database
    from service.settings import Settings

    settings = Settings.from_environment()
    make_data_folder(settings.data_dir)
    bring_up_to_date(open_database(settings.database_url, settings.data_dir))


models = typer.Typer(help="The model repository.", no_args_is_help=True)


@models.command("list")
def list_models(models: ModelsDir = None, as_json: Json = False) -> None:
    """List the models and their versions."""
    artifacts = list(_repository(models).all())
    if as_json:
        typer.echo(json.dumps([artifact.manifest.model_dump(mode="json") for artifact in artifacts]))
        return
    for artifact in artifacts:
        typer.echo(f"{artifact}  {_gist(artifact.manifest)}")


def _gist(manifest: "Manifest") -> str:
    """What a model is, in a line."""
    origin = f"imported from {manifest.imported.file}" if manifest.imported else ""
    origin = manifest.provenance.data_set if manifest.provenance else origin
    if manifest.is_encoder:
        return f"encoder, {manifest.embedding_size} numbers an image  {origin}"
    metrics = manifest.metrics
    accuracy = metrics.get("accuracy", metrics.get("validation_accuracy"))
    known = "not calibrated" if accuracy is None else f"accuracy {accuracy:.4f}"
    numbers = "" if manifest.quantization is None else f"  {manifest.quantization.scheme.partition(',')[0]}"
    return f"{len(manifest.classes)} classes  {known}{numbers}  {origin}"


@models.command("verify")
def verify_models(models: ModelsDir = None, as_json: Json = False) -> None:
    """Check every version against the checksums of its manifest."""
    from models.repository import ModelNotFoundError, verify

    repository = _repository(models)
    if not repository.names():
        raise ModelNotFoundError(f"no models in {repository.root}")
    artifacts = list(repository.all())
    for artifact in artifacts:
        verify(artifact)
        if not as_json:
            typer.echo(f"{artifact}  ok")
    if as_json:
        typer.echo(json.dumps({"verified": [str(artifact) for artifact in artifacts]}))


def _repository(models: Path | None) -> "ModelRepository":
    from models.repository import SHIPPED, ModelRepository

    return ModelRepository(models or SHIPPED)


def _classifier(models: Path | None, model: str | None) -> "Classifier":
    from service.inference.classifier import Classifier

    return Classifier(_repository(models).resolve(model))


@contextmanager
def _progress_bar() -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda phase, done, total: bar.update(task, description=phase, completed=done, total=total)
