"""One audit from end to end: label file and images in, ``rows.parquet`` and ``report.json`` out."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from audit.posterior import RowScores
from audit.reference import audit_reference
from labels.images.source import ImageSource, ImageSourceError, MissingImageError, open_image_source
from labels.label_file import LabelFile, read_label_file, resolve_labels, write_table
from models.distribution import class_probabilities
from models.errors import LookalikeError
from models.groups import parse_groups
from models.images import DEFAULT_MAX_PIXELS, ImageError, decode_image
from models.preprocessing import InputSpec, to_input
from models.training_pixels import pixel_hash, were_trained_on
from service.audits.input_columns import FIRST_ANSWER, renames
from service.classifier import Classifier

ROWS = "rows.parquet"
REPORT = "report.json"

_CHUNK = 256
_SEED = 0
"""Of the bootstrap behind the intervals: the same upload gets the same answer."""

Progress = Callable[[str, int, int], None]
"""Called with the phase, the rows done in it and the rows in all."""


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


@dataclass(frozen=True)
class _Looks:
    """What the model saw: for each row a status, and for the rows that it could look at the logits and pixel hashes."""

    status: NDArray[np.object_]
    seen: NDArray[np.intp]
    logits: NDArray[np.float32]
    hashes: NDArray[np.uint64]


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
            f"no label is a class of {manifest.name}@{manifest.version}; the first is {file.given[0]!r}, "
            f"its classes are {list(manifest.classes)}"
        )
    with open_image_source(images) as source:
        looks = _look(file, resolved.indices, source, classifier, progress, max_pixels)
    if not looks.seen.size:
        raise AuditError(f"no row could be judged: {_summary(looks.status)}")

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
        seed=_SEED,
    )
    table = _rows(file.table, looks, result.rows, manifest.classes, probabilities if options.probabilities else None)
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


def _look(
    file: LabelFile,
    given: NDArray[np.int64],
    source: ImageSource,
    classifier: Classifier,
    progress: Progress,
    max_pixels: int,
) -> _Looks:
    n = len(given)
    status = np.full(n, "scored", dtype=object)
    status[given < 0] = "unknown_label"
    logits: list[NDArray[np.float32]] = []
    hashes: list[int] = []
    for start in range(0, n, _CHUNK):
        progress("looking at images", start, n)
        inputs = []
        for row in range(start, min(start + _CHUNK, n)):
            if status[row] == "scored":
                image = _read(source, file.images[row], classifier.manifest.input, max_pixels)
                if isinstance(image, str):
                    status[row] = image
                else:
                    inputs.append(image)
        if inputs:
            logits.append(classifier.infer(np.stack(inputs))[0])
            hashes.extend(map(pixel_hash, inputs))
    progress("looking at images", n, n)
    return _Looks(
        status,
        np.flatnonzero(status == "scored"),
        np.concatenate(logits) if logits else np.empty((0, len(classifier.manifest.classes)), dtype=np.float32),
        np.array(hashes, dtype=np.uint64),
    )


def _read(source: ImageSource, name: str | None, spec: InputSpec, max_pixels: int) -> NDArray[np.uint8] | str:
    """The model input of one image, or the status of a row whose image can't be read."""
    if not name:
        return "missing_image"
    try:
        return to_input(decode_image(source.read(name), max_pixels=max_pixels), spec)
    except MissingImageError:
        return "missing_image"
    except (ImageError, ImageSourceError):
        return "corrupt_image"


def _rows(
    table: pl.DataFrame,
    looks: _Looks,
    scores: RowScores,
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
        "suggested_label": pl.Series(spread(np.array(classes, dtype=object)[scores.suggested]), dtype=pl.String),
        "kind": pl.Series(spread(scores.kind), dtype=pl.String),
    }
    if probabilities is not None:
        for name, column in zip(classes, probabilities.T, strict=True):
            answers[f"model_prob_{name}"] = pl.Series(spread(column), dtype=pl.Float64)
    return table.rename(renames(answers.keys(), table.columns)).with_columns(**answers)


def _warnings(looks: _Looks, classifier: Classifier) -> Iterator[str]:
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


def _summary(status: NDArray[np.object_]) -> str:
    return ", ".join(f"{count} {each}" for each, count in sorted(Counter(status).items()) if each != "scored")
