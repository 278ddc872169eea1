"""What a row is judged by, for a person who judges it: what the model sees, and images of both classes beside it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from audit.controls import Controls
from labels.formats.json_rows import json_rows
from labels.probabilities import PREFIX
from models.errors import LookalikeError
from models.groups import SimilarityGroups
from service.audits.examples import nearest_examples
from service.audits.folder import AuditFolder
from service.audits.row_index import RowIndex
from service.audits.steps.finish import answered_revision
from service.audits.steps.fit import Fit
from service.audits.steps.infer import Inferred
from service.audits.steps.plan import Plan
from service.inference.classifier import Classifier

_MOST_CLASSES = 8
_LEAST = 0.001
_MOST_COLUMNS = 50
_LONGEST = 200
"""Characters of a value."""


class RowNotFoundError(LookalikeError):
    """There is no such row."""


class GroupShare(TypedDict):
    """The mass of a similarity group."""

    classes: list[str]
    probability: float


class RowEvidence(TypedDict):
    """What stands behind a row's answer."""

    row: int
    probabilities: dict[str, float]
    """The most probable classes by the model's calibrated distribution, and the given and the suggested one; empty
    where the row was not judged."""
    groups: list[GroupShare]
    """The groups of more than one class among them."""
    number: int
    """The row in the file, from 1; a control's is that of its image."""
    image: str | None
    """The name of its image."""
    columns: dict[str, str]
    """What else the file says of it, at most 50 columns; nothing that says again, or otherwise, what it is labelled."""
    examples: Mapping[str, list[int]]
    """Of the given and of the suggested class: rows whose label is sure, the most similar first."""


def row_evidence(
    folder: AuditFolder,
    row: int,
    controls: Controls,
    classifier: Classifier | None,
    *,
    count: int,
) -> RowEvidence:
    """Gather it for a row, or for one of the ``controls``, which are numbered from the audit's row count on.

    Raises ``RowNotFoundError``.

    A control whose given label is right gets the masses of its two classes exchanged: the model would give it away.
    """
    index, plan = RowIndex.of(folder), Plan.load(folder.path)
    if row >= len(index) + len(controls.row):
        raise RowNotFoundError(f"no row {row}: the rows of this audit are 0 to {len(index) - 1}")
    at, given, suggested, exchanged = row, -1, -1, False
    if row < len(index):
        given, suggested = int(index.given[row]), int(index.suggested[row])
    else:
        c = row - len(index)
        at, given, suggested = int(controls.row[c]), int(controls.given[c]), int(controls.suggested[c])
        exchanged = not controls.planted[c]
    classes = tuple(each for each in (given, suggested) if each >= 0)
    nearest = nearest_examples(folder, index, plan, at, classes, count)
    evidence: RowEvidence = {
        "row": row,
        "probabilities": {},
        "groups": [],
        "number": at + 1,
        "image": index.name(at),
        "columns": _columns(folder, plan, at),
        "examples": {plan.spelling[each]: rows for each, rows in zip(classes, nearest, strict=True)},
    }
    if plan.basis == "model" and classifier is None:  # it isn't served any more
        return evidence
    fitted = Fit.load(folder.path, plan, classifier, answered_revision(folder.path))
    seen = _distribution(folder, plan, fitted, at)
    if seen is not None:
        if exchanged:
            seen[[given, suggested]] = seen[[suggested, given]]
        top = [k for k in np.argsort(-seen, kind="stable")[:_MOST_CLASSES].tolist() if seen[k] >= _LEAST]
        top += [k for k in classes if k not in top]
        evidence["probabilities"] = {plan.spelling[k]: float(seen[k]) for k in top}
        evidence["groups"] = _groups(plan, fitted.groups, seen)
    return evidence


def _columns(folder: AuditFolder, plan: Plan, row: int) -> dict[str, str]:
    chunk, place = divmod(row, plan.chunk_rows)
    [values] = json_rows(plan.input(folder.path, chunk)[place : place + 1])
    shown = {
        name: str(value)[:_LONGEST]
        for name, value in values.items()
        if value is not None and name not in {plan.label_column, plan.image_column, "trusted", "original_label"}
    }
    names = [name for name in shown if not name.startswith(PREFIX)]
    return {name: shown[name] for name in names[:_MOST_COLUMNS]}


def _distribution(folder: AuditFolder, plan: Plan, fitted: Fit, row: int) -> NDArray[np.float64] | None:
    chunk = row // plan.chunk_rows
    inferred = Inferred.of(folder.path, chunk)
    rows = chunk * plan.chunk_rows + inferred.seen
    itself = rows == row
    if not itself.any():
        return None
    found: NDArray[np.float64] = fitted.answers.of(inferred, rows, itself)[0].astype(np.float64)
    return found


def _groups(plan: Plan, groups: SimilarityGroups, seen: NDArray[np.float64]) -> list[GroupShare]:
    shares: list[GroupShare] = [
        {"classes": [plan.spelling[k] for k in members], "probability": float(seen[members].sum())}
        for members in groups.distinct()
        if len(members) > 1
    ]
    return sorted((each for each in shares if each["probability"] >= _LEAST), key=lambda each: -each["probability"])
