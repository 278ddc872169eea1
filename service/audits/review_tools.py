"""The rows of a finished audit for tools in which people look at images: Label Studio's tasks, FiftyOne's samples."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from labels.formats.fiftyone_sample import sample
from labels.formats.json_rows import json_rows
from labels.formats.label_studio_task import image_url, task
from labels.images.references import is_reference
from labels.label_file import label_text
from service.audits.folder import AuditFolder
from service.audits.input_columns import FIRST_ANSWER, find
from service.audits.steps.files import aside
from service.audits.steps.options import AuditError
from service.audits.steps.plan import Plan

_ANSWERS = ("status", "p_wrong", "log_odds", "p_confusable", "flagged", "kind")


@dataclass(frozen=True, eq=False)  # tables have no one truth value
class Verified:
    """Which of N labels somebody has seen to."""

    rows: pl.Series
    """``[N]``, true or false."""
    before: pl.Series
    """``[N]``: what such a label said before, as text; null: that isn't known."""


def write_label_studio(folder: AuditFolder, table: pl.DataFrame, verified: Verified, path: Path, root: str) -> None:
    """Write all rows as a list of tasks.

    ``table`` is ``rows.parquet`` with the labels to export, ``root`` is what comes before an image's name in its URL.
    Raises ``AuditError`` where no row names an image.
    """
    plan = Plan.load(folder.path)
    _write(path, "[", _tasks(folder.id, plan, table, verified, _images(folder, plan), root), "]")


def write_fiftyone(folder: AuditFolder, table: pl.DataFrame, verified: Verified, path: Path) -> None:
    """Write the rows that name an image as ``samples.json``; see ``write_label_studio``."""
    plan = Plan.load(folder.path)
    _write(path, '{"samples": [', _samples(plan, table, verified, _images(folder, plan)), "]}")


def _tasks(
    audit: str, plan: Plan, table: pl.DataFrame, verified: Verified, images: Iterable[str | None], root: str
) -> Iterator[dict[str, Any]]:
    labels = label_text(table[find(plan.label_column, table.columns)])
    image_column = plan.image_column and find(plan.image_column, table.columns)
    classes = frozenset(plan.spelling)
    rows = enumerate(zip(json_rows(table), labels, verified.before, verified.rows, images, strict=True))
    for number, (row, label, before, is_trusted, image) in rows:
        is_verified = is_trusted and label in classes
        written = str(row[image_column]) if image_column else ""
        if is_reference(written):  # then the tool knows it already
            url = written
            if image_column == "image":
                del row[image_column]
        else:
            url = image_url(root, image) if image else ""
        yield task(
            url,
            row,
            given=before if is_verified else label,
            verified=label if is_verified else None,
            believed=None if row["flagged"] is None else row["suggested_label"] if row["flagged"] else label,
            p_wrong=row["p_wrong"],
            classes=classes,
            meta={"audit": audit, "row": number},
        )


def _samples(
    plan: Plan, table: pl.DataFrame, verified: Verified, images: Iterable[str | None]
) -> Iterator[dict[str, Any]]:
    labels = label_text(table[find(plan.label_column, table.columns)])
    inputs = table.columns[: table.columns.index(FIRST_ANSWER)]
    rows = enumerate(zip(json_rows(table), labels, verified.rows, images, strict=True))
    for number, (row, label, is_verified, image) in rows:
        if image:
            yield sample(
                image,
                label=label,
                suggested=row["suggested_label"],
                tags=[tag for tag, applies in (("flagged", row["flagged"]), ("trusted", is_verified)) if applies],
                answers={"row": number} | {name: row[name] for name in _ANSWERS},
                fields={name: row[name] for name in inputs},
            )


def _images(folder: AuditFolder, plan: Plan) -> pl.Series:
    """The names of the images where they come from."""
    images = plan.labels(folder.path)["image"]
    if images.null_count() == len(images):
        raise AuditError("no row of this audit names an image, and these tools show images: export it as CSV")
    return images


def _write(path: Path, before: str, items: Iterable[dict[str, Any]], after: str) -> None:
    with aside(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(before)
        for number, item in enumerate(items):
            file.write((",\n" if number else "\n") + json.dumps(item, ensure_ascii=False, allow_nan=False))
        file.write(f"\n{after}\n")
