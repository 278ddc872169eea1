"""The command ``confidence-labels``: what to train with, from groups set by hand, models, or what an audit found."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.errors import LookalikeError

app = typer.Typer(help="Make confidence labels to train with.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="Confidence-label file to write.")]
OwnTrusted = Annotated[float, typer.Option(help="A class's own share of a trusted sample's label.")]


class ScoreRule(StrEnum):
    """How scores become shares, by the names of the command line."""

    softmax = "softmax"
    normalised = "normalised"


class ReportError(LookalikeError):
    """The file is no report of an audit."""


@app.command("from-groups")
def from_groups(
    groups: Annotated[Path, typer.Argument(help="Groups file.")],
    classes: Annotated[list[str], typer.Option("--class", help="A class name; repeat it, in the model's order.")],
    out: Out,
    own_untrusted: Annotated[float, typer.Option(help="A class's own share of an untrusted sample's label.")] = 0.6,
    own_trusted: OwnTrusted = 0.95,
) -> None:
    """Give each class its own share and spread the rest over its group (the paper's way)."""
    from models.confidence_labels import from_groups as make
    from models.confidence_labels import write_confidence_labels
    from models.groups import read_groups

    labels = make(read_groups(groups, classes), own_untrusted=own_untrusted, own_trusted=own_trusted)
    write_confidence_labels(labels, out)
    typer.echo(f"wrote {out}")


@app.command("from-model")
def from_model(
    labels: Annotated[Path, typer.Argument(help="Label file.")],
    images: Annotated[Path, typer.Option(help="Folder, .zip or .tar that holds the images.")],
    out: Out,
    model: Annotated[
        list[str] | None, typer.Option(help="NAME[@VERSION]; repeat it to average models by their accuracies.")
    ] = None,
    models: Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")] = None,
    scores: Annotated[ScoreRule, typer.Option(help="How the scores of a group become shares.")] = ScoreRule.softmax,
    deviations: Annotated[
        float | None,
        typer.Option(help="Standard deviations above the mean that make a member; default: 1, below 20 classes 0."),
    ] = None,
    own_trusted: OwnTrusted = 0.95,
) -> None:
    """Take for each label what models see in the images that bear it (the paper's way for ImageNet)."""
    from lookalike.model_similarity import similarity_by_models
    from models.confidence_labels import write_confidence_labels
    from models.repository import SHIPPED, ModelRepository
    from models.similarity import groups_from_similarity, labels_from_similarity
    from service.inference.classifier import Classifier

    repository = ModelRepository(models or SHIPPED)
    references: list[str | None] = [*model] if model else [None]
    classifiers = [Classifier(repository.resolve(reference)) for reference in references]
    similarity = similarity_by_models(labels, images, classifiers)
    groups = groups_from_similarity(classifiers[0].manifest.classes, similarity, deviations=deviations)
    write_confidence_labels(
        labels_from_similarity(similarity, groups, scores=scores.value, own_trusted=own_trusted), out
    )
    typer.echo(f"wrote {out}; groups: {groups.as_lists()}")


@app.command("from-audit")
def from_audit(
    report: Annotated[Path, typer.Argument(help="report.json of an audit.")],
    out: Out,
    own_trusted: OwnTrusted = 0.95,
) -> None:
    """Take for each given label what the audit's transition matrix says of the true class."""
    from models.confidence_labels import write_confidence_labels
    from service.audits.confidence_labels import ReportError, labels_from_report

    try:
        labels = labels_from_report(report.read_bytes(), own_trusted=own_trusted)
    except ReportError as error:
        raise ReportError(f"{report} is {error}") from error
    write_confidence_labels(labels, out)
    typer.echo(f"wrote {out}")
