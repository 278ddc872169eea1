"""The command ``confidence-labels``: what to train with, from what is known of how classes are mistaken."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import LookalikeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.groups import SimilarityGroups

app = typer.Typer(help="Make confidence labels to train with.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="Confidence-label file to write.")]
OwnTrusted = Annotated[float, typer.Option(help="A class's own share of a trusted sample's label.")]


class ScoreRule(StrEnum):
    """How scores become shares, by the names of the command line."""

    softmax = "softmax"
    normalised = "normalised"


Scores = Annotated[ScoreRule, typer.Option(help="How the scores of a group become shares.")]
Deviations = Annotated[
    float | None,
    typer.Option(help="Standard deviations above the mean that make a member; default: 1, below 20 classes 0."),
]


class ReportError(LookalikeError):
    """The file is no report of an audit."""


class VerifiedError(LookalikeError):
    """The label file has no verified labels to count."""


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
    scores: Scores = ScoreRule.softmax,
    deviations: Deviations = None,
    own_trusted: OwnTrusted = 0.95,
) -> None:
    """Take for each label what models see in the images that bear it (the paper's way for ImageNet)."""
    from lookalike.model_similarity import similarity_by_models
    from models.repository import SHIPPED, ModelRepository
    from models.similarity import groups_from_similarity
    from service.inference.classifier import Classifier

    repository = ModelRepository(models or SHIPPED)
    references: list[str | None] = [*model] if model else [None]
    classifiers = [Classifier(repository.resolve(reference)) for reference in references]
    similarity = similarity_by_models(labels, images, classifiers)
    groups = groups_from_similarity(classifiers[0].manifest.classes, similarity, deviations=deviations)
    _write_similar(similarity, groups, scores, own_trusted, out)


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


@app.command("from-verified")
def from_verified(
    labels: Annotated[
        Path, typer.Argument(help="Label file whose trusted rows have what they said before, as original_label.")
    ],
    groups: Annotated[Path, typer.Option(help="Groups file.")],
    classes: Annotated[list[str], typer.Option("--class", help="A class name; repeat it, in the model's order.")],
    out: Out,
) -> None:
    """Count what verified samples were labelled before: for training with --loss glc."""
    from labels.label_file import read_label_file
    from labels.resolving import resolve_labels
    from models.audited_labels import count_labels, labels_from_counts
    from models.confidence_labels import write_confidence_labels
    from models.groups import read_groups

    file = read_label_file(labels)
    resolved = resolve_labels(file, classes)
    rows = file.trusted & (resolved.indices >= 0) & (resolved.original >= 0)
    if not rows.any():
        raise VerifiedError(f"{labels.name}: no row is trusted and has an original_label: there is nothing to count")
    counts = count_labels(resolved.indices[rows], resolved.original[rows], len(classes))
    audited = labels_from_counts(counts, read_groups(groups, classes))
    write_confidence_labels(audited.confidence_labels, out)
    typer.echo(f"wrote {out}, from {rows.sum()} verified labels")
    for group in audited.silent:
        typer.echo(f"inside {', '.join(group)} the labels say no more than chance", err=True)


@app.command("from-matrix")
def from_matrix(
    scores_file: Annotated[
        Path, typer.Argument(metavar="SCORES", help='Similarity matrix: {"classes": [..], "scores": [[..]]}.')
    ],
    out: Out,
    scores: Scores = ScoreRule.softmax,
    deviations: Deviations = None,
    own_trusted: OwnTrusted = 0.95,
) -> None:
    """Take groups and shares from a similarity matrix."""
    from models.similarity import groups_from_similarity
    from models.similarity_file import read_similarity

    classes, similarity = read_similarity(scores_file)
    groups = groups_from_similarity(classes, similarity, deviations=deviations)
    _write_similar(similarity, groups, scores, own_trusted, out)


@app.command("from-hierarchy")
def from_hierarchy(
    hierarchy: Annotated[Path, typer.Argument(help='Class hierarchy: {"shoes": ["Sandal", ..], "tops": {..}}.')],
    out: Out,
    scores: Scores = ScoreRule.softmax,
    least: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the deepest class's nodes that members of a group have in common."),
    ] = 0.5,
    own_trusted: OwnTrusted = 0.95,
) -> None:
    """Take classes that are near each other in a hierarchy as groups, nearer ones with larger shares."""
    from models.similarity_file import groups_of_hierarchy, read_hierarchy

    classes, similarity = read_hierarchy(hierarchy)
    groups = groups_of_hierarchy(classes, similarity, least=least)
    _write_similar(similarity, groups, scores, own_trusted, out)


@app.command("smoothed")
def smoothed(
    classes: Annotated[list[str], typer.Option("--class", help="A class name; repeat it, in the model's order.")],
    out: Out,
    own: Annotated[float, typer.Option(help="A class's own share; 1 makes one-hot labels.")] = 0.9,
) -> None:
    """Spread the rest of each label over all other classes alike: label smoothing, or one-hot labels."""
    from models.confidence_labels import from_groups as make
    from models.confidence_labels import write_confidence_labels
    from models.groups import SimilarityGroups

    everyone = SimilarityGroups.from_lists(classes, [classes])
    write_confidence_labels(make(everyone, own_untrusted=own, own_trusted=own), out)
    typer.echo(f"wrote {out}")


def _write_similar(
    similarity: "NDArray[np.float64]", groups: "SimilarityGroups", scores: ScoreRule, own_trusted: float, out: Path
) -> None:
    from models.confidence_labels import write_confidence_labels
    from models.similarity import labels_from_similarity

    made = labels_from_similarity(similarity, groups, scores=scores.value, own_trusted=own_trusted)
    write_confidence_labels(made, out)
    typer.echo(f"wrote {out}; groups: {groups.as_lists()}")
