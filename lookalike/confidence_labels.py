"""The command ``confidence-labels``: what to train with, from groups set by hand or from what an audit found."""

import json
from pathlib import Path
from typing import Annotated

import typer

from models.errors import LookalikeError

app = typer.Typer(help="Make confidence labels to train with.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="Confidence-label file to write.")]
OwnTrusted = Annotated[float, typer.Option(help="A class's own share of a trusted sample's label.")]


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


@app.command("from-audit")
def from_audit(
    report: Annotated[Path, typer.Argument(help="report.json of an audit.")],
    out: Out,
    own_trusted: OwnTrusted = 0.95,
) -> None:
    """Take for each given label what the audit's transition matrix says of the true class."""
    import numpy as np

    from audit.confidence_labels import confidence_labels
    from models.confidence_labels import ConfidenceLabels, write_confidence_labels
    from models.confidence_labels import from_groups as make
    from models.groups import SimilarityGroups

    try:
        document = json.loads(report.read_bytes())
        classes, rates = document["transition"]["classes"], np.array(document["transition"]["rates"], dtype=np.float64)
        groups = SimilarityGroups.from_lists(classes, document["groups"])
        untrusted = confidence_labels(rates)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ReportError(f"{report} is not the report of an audit: {error}") from error
    trusted = make(groups, own_trusted=own_trusted).trusted
    write_confidence_labels(
        ConfidenceLabels(classes=classes, untrusted=tuple(map(tuple, untrusted.tolist())), trusted=trusted), out
    )
    typer.echo(f"wrote {out}")
