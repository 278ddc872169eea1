"""The first step: read the label file, and decide what its rows are judged by, and against which classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from labels.columns import guess_columns
from labels.images.opening import open_image_source
from labels.images.references import is_reference, resolve_references
from labels.label_file import LabelFile, read_label_file
from labels.labelled_images import read_labelled_images
from labels.places import listed
from labels.probabilities import probability_classes
from labels.resolving import ResolvedLabels, resolve_labels
from models.groups import parse_groups
from service.audits.steps.files import put_folder, scan_table
from service.audits.steps.options import AuditError, AuditOptions
from service.inference.classifier import Classifier

Basis = Literal["model", "embedding", "columns"]
"""What rows are judged by: the model's classes, a probe on its embedding, or the file's probability columns."""

FEWEST_ROWS_OF_A_CLASS = 10
"""A label on fewer rows than this is no class that a probe could learn, nor one that the model ought to have."""
MOST_UNKNOWN = 0.05
"""Share of rows whose labels the model doesn't know, up to which the model still judges the others."""
MOST_CLASSES = 2000
"""Of labels or probability columns: each chunk keeps what labels are taken for what, class by class."""
CHUNK_CELLS = 1_000_000
"""Of the table, in a chunk of rows that need no images: each chunk opens its files anew, and that is what small ones
cost."""

_PLAN, INPUT, _LABELS = "plan.json", "input.parquet", "labels.parquet"


class Plan(BaseModel):
    """What the first step settled, for the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    chunk_rows: int
    basis: Basis
    classes: tuple[str, ...]
    spelling: tuple[str, ...]
    """How the file writes each class."""
    label_column: str
    image_column: str | None
    warnings: tuple[str, ...]

    @property
    def chunks(self) -> list[int]:
        """Rows of each chunk."""
        full, rest = divmod(self.rows, self.chunk_rows)
        return [self.chunk_rows] * full + [rest] * bool(rest)

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """Read the plan of an audit's folder."""
        return cls.model_validate_json((folder / "plan" / _PLAN).read_bytes())

    def input(self, folder: Path, chunk: int) -> pl.DataFrame:
        """All columns of the input, a chunk of rows."""
        return _slice(folder / "plan" / INPUT, self.chunk_rows, chunk)

    def labels(self, folder: Path, chunk: int | None = None) -> pl.DataFrame:
        """``image`` (null: names none), ``given``, ``original`` (-1: none), ``trusted``: of a chunk, or of all rows."""
        path = folder / "plan" / _LABELS
        return scan_table(path).collect() if chunk is None else _slice(path, self.chunk_rows, chunk)


@dataclass(frozen=True)
class Source:
    """What was uploaded, or named on the command line: labels, or images, or both."""

    labels: Path | None
    """None: the images say themselves what they show."""
    images: Path | None
    """Folder or archive."""
    options: AuditOptions


def plan(source: Source, folder: Path, classifier: Classifier | None, chunk_rows: int) -> Plan:
    """Read and check the label file; leave it in ``folder`` with what was settled.

    ``classifier`` is None where no model was named and the file's own probabilities do without. A chunk has
    ``chunk_rows`` images; without images it has as many rows as make ``CHUNK_CELLS``, if these are more. Raises a
    ``LookalikeError`` that says what to change where the upload can't be audited.
    """
    options = source.options
    file = _read(source)
    basis, classes, warnings = _basis(file, source, classifier)
    if options.groups is not None:
        parse_groups(options.groups, classes)
    resolved = resolve_labels(file, classes)
    if (resolved.indices < 0).all():
        raise AuditError(_none_known(file, classes, classifier if basis == "model" else None))
    settled = Plan(
        rows=file.table.height,
        chunk_rows=chunk_rows if basis != "columns" else max(chunk_rows, CHUNK_CELLS // file.table.width),
        basis=basis,
        classes=tuple(classes),
        spelling=resolved.spelling,
        label_column=file.label_column,
        image_column=file.image_column,
        warnings=(*file.warnings, *warnings, *resolved.warnings),
    )
    images = _image_names(file, source)
    put_folder(folder / "plan", lambda part: _write(part, settled, file, images, resolved))
    return settled


def _read(source: Source) -> LabelFile:
    columns = {"label_column": source.options.label_column, "image_column": source.options.image_column}
    if source.labels is not None:
        return read_label_file(source.labels, **columns)
    if source.images is None:
        raise AuditError("there is neither a label file nor are there images: send one of them, or both")
    return read_labelled_images(source.images, **columns)


def _image_names(file: LabelFile, source: Source) -> list[str | None]:
    """The names of the images as they are called where they come from; null: a row names none."""
    if source.images is None or not any(name and is_reference(name) for name in file.images):
        return file.images
    with open_image_source(source.images) as images:
        return resolve_references(file.images, images)


def _basis(file: LabelFile, source: Source, classifier: Classifier | None) -> tuple[Basis, Sequence[str], list[str]]:
    """What to judge the rows by, against which classes; with what a person should know about the choice."""
    if columns := probability_classes(file.table.columns):
        if len(columns) > MOST_CLASSES:
            raise AuditError(
                f"there are {len(columns)} columns prob_<class>, and an audit weighs at most {MOST_CLASSES} classes: "
                "leave out classes that are never given, and divide what they had among the others"
            )
        return "columns", columns, []
    if classifier is None:
        raise AuditError("there are no columns prob_<class>, so a model must look at the images: name one")
    if source.images is None or file.image_column is None:
        missing = "no images are given" if source.images is None else _no_image_column(file)
        raise AuditError(f"without columns prob_<class> an audit needs the images, and {missing}")
    known, wanted = classifier.manifest.classes, source.options.evidence
    if wanted == "reference":
        if not known:
            raise AuditError(
                f"{_name(classifier)} is an encoder and knows no classes: it gives cross_validated evidence"
            )
        return "model", known, []
    counts = Counter(label for label in file.given if label is not None)
    own = sorted(label for label, count in counts.items() if count >= FEWEST_ROWS_OF_A_CLASS)
    if wanted == "auto" and known:
        unknown = _rows_unknown_to(known, counts, own)
        if unknown <= MOST_UNKNOWN * file.table.height or len(own) < 2:
            return "model", known, []
    if not 2 <= len(own) <= MOST_CLASSES:
        raise AuditError(
            f"labels that stand on at least {FEWEST_ROWS_OF_A_CLASS} rows: {len(own)}; cross-validation needs "
            f"between 2 and {MOST_CLASSES} such labels"
        )
    return "embedding", own, [] if wanted == "cross_validated" else [_why_not_by_the_model(classifier, own)]


def _no_image_column(file: LabelFile) -> str:
    candidates = guess_columns(file.table.columns).image_candidates
    if not candidates:
        return "no column names them: say which does (image_column)"
    return f"each of {listed([repr(name) for name in candidates])} may name them: say which does (image_column)"


def _rows_unknown_to(known: Sequence[str], counts: Counter[str], own: Sequence[str]) -> int:
    """Rows of labels, frequent enough to be classes, that a model doesn't know by name, nor all of them by index."""
    if counts.keys() <= {str(index) for index in range(len(known))}:
        return 0
    return sum(counts[label] for label in own if label not in known)


def _why_not_by_the_model(classifier: Classifier, own: Sequence[str]) -> str:
    name = _name(classifier)
    if not classifier.manifest.classes:
        return f"{name} knows no classes: the labels are judged by a probe on its embedding, cross-validated on them"
    unknown = listed([repr(label[:80]) for label in own if label not in classifier.manifest.classes])
    return (
        f"{name} does not know all classes of this file (not {unknown}): they are judged by a probe on its embedding, "
        "cross-validated on these very labels; an encoder trained on much more may judge better"
    )


def _write(part: Path, settled: Plan, file: LabelFile, images: list[str | None], resolved: ResolvedLabels) -> None:
    file.table.write_parquet(part / INPUT, row_group_size=settled.chunk_rows)
    labels = pl.DataFrame(
        {
            "image": pl.Series(images, dtype=pl.String),
            "given": pl.Series(resolved.indices, dtype=pl.Int32),
            "original": pl.Series(resolved.original, dtype=pl.Int32),
            "trusted": pl.Series(file.trusted, dtype=pl.Boolean),
        }
    )
    labels.write_parquet(part / _LABELS, row_group_size=settled.chunk_rows)
    (part / _PLAN).write_text(settled.model_dump_json(indent=1))


def _slice(path: Path, size: int, chunk: int) -> pl.DataFrame:
    return scan_table(path).slice(chunk * size, size).collect()


def _name(classifier: Classifier) -> str:
    return f"{classifier.manifest.name}@{classifier.manifest.version}"


def _none_known(file: LabelFile, classes: Sequence[str], classifier: Classifier | None) -> str:
    if classifier is None:
        known, cure = "a class of the probabilities", "name their columns prob_ and the label"
    else:
        known = f"a class of {_name(classifier)}"
        cure = "choose a model that knows these labels, or judge them by each other (evidence: cross_validated)"
    first = str(file.given[0])[:80]
    return f"no label is {known}: the first row says {first!r}, the classes are {_few(classes)}; {cure}"


def _few(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - 50} more" if len(classes) > 50 else ""
    return ", ".join(classes[:50]) + more
