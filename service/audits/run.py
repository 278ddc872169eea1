"""One audit from end to end: label file and images in, ``rows.parquet`` and ``report.json`` out."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from audit.posterior import RowScores
from audit.reference import audit_reference
from labels.formats.write_table import write_table
from labels.images.opening import open_image_source
from labels.label_file import read_label_file, resolve_labels
from models.distribution import class_probabilities
from models.errors import LookalikeError
from models.groups import parse_groups
from models.images import DEFAULT_MAX_PIXELS
from models.training_pixels import were_trained_on
from service.audits.input_columns import FIRST_ANSWER, renames
from service.audits.look import Looks, Progress, look
from service.classifier import Classifier

ROWS = "rows.parquet"
REPORT = "report.json"

_SEED = 0
"""Of the bootstrap behind the intervals: the same upload gets the same answer."""


class AuditError(LookalikeError):
    """The upload as a whole can't be audited; the message says why."""


class AuditOptions(BaseModel):
    """What a caller can choose, by the names of the command's options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    """``NAME`` or ``NAME@VERSION``; default: the only model there is."""
    evidence: Literal["auto", "reference"] = "auto"
    label_column: str = "label"
    image_column: str = "image"
    groups: str | None = None
    """Content of a groups file; default: the model's own groups."""
    probabilities: bool = False
    """Whether the rows carry the model's probabilities as ``model_prob_<class>``."""


def run_audit(
    labels: Path,
    images: Path | None,
    options: AuditOptions,
    classifier: Classifier,
    out: Path,
    *,
    progress: Progress = lambda *_: None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> dict[str, Any]:
    """Audit a label file and write the answers into the folder ``out``; returns the report.

    Both files appear whole or not at all, the report last. Raises a ``LookalikeError`` that says what to change where
    the upload can't be audited; a row that can't be judged is no error, it comes back with its status.
    """
    manifest = classifier.manifest
    groups = manifest.similarity_groups if options.groups is None else parse_groups(options.groups, manifest.classes)
    file = read_label_file(labels, label_column=options.label_column, image_column=options.image_column)
    if images is None or file.image_column is None:
        missing = "images are given" if images is None else f"column {options.image_column!r} names them"
        raise AuditError(f"reference evidence needs the images, and no {missing}")
    resolved = resolve_labels(file, manifest.classes)
    if (resolved.indices < 0).all():
        raise AuditError(
            f"no label is a class of {manifest.name}@{manifest.version}; the first is {str(file.given[0])[:80]!r}, "
            f"its classes are {list(manifest.classes)}"
        )
    with open_image_source(images) as source:
        looks = look(file, resolved.indices, source, classifier, progress=progress, max_pixels=max_pixels)
    if not looks.seen.size:
        raise AuditError(
            f"no row could be judged: {_summary(looks.status)}; images are looked up in {images.name} by the names in "
            f"the column {file.image_column!r}, for instance {str(file.images[0])[:80]!r}"
        )

    progress("scoring", 0, len(looks.seen))
    calibration = manifest.calibration
    probabilities = class_probabilities(looks.logits, manifest.similarity_groups, calibration.temperature)
    counts = manifest.validation_counts
    result = audit_reference(
        probabilities,
        resolved.indices[looks.seen],
        groups,
        model_prior=counts.sum(axis=1) / counts.sum(),
        validation_counts=counts,
        trusted=file.trusted[looks.seen],
        original=resolved.original[looks.seen],
        seed=_SEED,
    )
    shown = probabilities if options.probabilities else None
    table = _rows(file.table, looks, result.rows, resolved.spelling, manifest.classes, shown)
    report = {"rows": len(table)} | result.report.to_json()
    report["model"] = {"name": manifest.name, "version": manifest.version}
    report["warnings"] = [*_warnings(looks, classifier), *resolved.warnings, *result.report.warnings]
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / ROWS)
    aside = out / f"{REPORT}.part"
    aside.write_text(json.dumps(report, indent=1) + "\n")
    aside.replace(out / REPORT)
    progress("done", len(looks.seen), len(looks.seen))
    return report


def _rows(
    table: pl.DataFrame,
    looks: Looks,
    scores: RowScores,
    spelling: tuple[str, ...],
    classes: tuple[str, ...],
    probabilities: NDArray[np.float64] | None,
) -> pl.DataFrame:
    """The input's columns, untouched, and the answers; rows that were not scored have null answers."""

    def spread(values: NDArray[Any]) -> list[Any]:
        column: list[Any] = [None] * len(table)
        for row, value in zip(looks.seen.tolist(), values.tolist(), strict=True):
            column[row] = value
        return column

    answers = {
        FIRST_ANSWER: pl.Series(looks.status.tolist(), dtype=pl.String),
        "p_wrong": pl.Series(spread(scores.p_wrong), dtype=pl.Float64),
        "log_odds": pl.Series(spread(scores.log_odds), dtype=pl.Float64),
        "p_confusable": pl.Series(spread(scores.p_confusable), dtype=pl.Float64),
        "flagged": pl.Series(spread(scores.flagged), dtype=pl.Boolean),
        "suggested_label": pl.Series(spread(np.array(spelling, dtype=object)[scores.suggested]), dtype=pl.String),
        "kind": pl.Series(spread(scores.kind), dtype=pl.String),
    }
    if probabilities is not None:
        for name, column in zip(classes, probabilities.T, strict=True):
            answers[f"model_prob_{name}"] = pl.Series(spread(column), dtype=pl.Float64)
    return table.rename(renames(answers.keys(), table.columns)).with_columns(**answers)


def _warnings(looks: Looks, classifier: Classifier) -> Iterator[str]:
    unjudged = Counter(looks.status)
    unjudged.pop("scored", None)
    if unjudged:
        yield f"{unjudged.total()} rows could not be judged: {_summary(looks.status)}"
    known = int(were_trained_on(looks.hashes, classifier.training_pixels()).sum())
    if known:
        yield (
            f"{known} of {len(looks.hashes)} images are among those the model was trained on: "
            "what it says of their labels is no independent evidence"
        )


def _summary(status: NDArray[np.str_]) -> str:
    return ", ".join(f"{count} {each}" for each, count in sorted(Counter(status).items()) if each != "scored")
