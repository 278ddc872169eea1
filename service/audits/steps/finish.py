"""The last step: the answers of all chunks as one table in the input's order, and the report."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from audit.report import report_on
from labels.taken_names import renames
from service.audits.input_columns import FIRST_ANSWER
from service.audits.steps.answers import sample
from service.audits.steps.files import aside
from service.audits.steps.fit import Fit
from service.audits.steps.given import GivenLabels
from service.audits.steps.infer import STATUS, Inferred
from service.audits.steps.options import AuditOptions
from service.audits.steps.plan import Plan
from service.audits.steps.score import Scored
from service.inference.classifier import Classifier

ROWS = "rows.parquet"
REPORT = "report.json"
_REVISION = "lookalike.revision"
"""Among the metadata of ``rows.parquet``."""

_SEED = 0
"""Of the bootstrap behind the intervals: the same upload gets the same answer."""
_ROW_GROUP = 100_000
_NAMED = 3
"""Rows that are named as examples of those that can't be judged for one reason."""
_WHY = {
    "unknown_label": "have a label that is no class",
    "missing_image": "have no image",
    "corrupt_image": "have an image that can't be read",
}


def finish(
    folder: Path, plan: Plan, options: AuditOptions, classifier: Classifier | None, revision: int, answers: Path
) -> None:
    """Write ``rows.parquet`` and then ``report.json`` into the folder ``answers``, each by rename."""
    fitted = Fit.load(folder, plan, classifier, revision)
    status: Counter[str] = Counter()
    examples: dict[str, list[str]] = defaultdict(list)
    tally = None
    p_wrong, outliers = [], 0
    for chunk in range(len(plan.chunks)):
        inferred, (scored, summed) = Inferred.of(folder, chunk), Scored.load(folder, chunk, revision)
        tally = summed if tally is None else tally + summed
        status.update(STATUS[code] for code in inferred.status.tolist())
        if inferred.status.any():
            _remember(examples, inferred, plan.labels(folder, chunk)["image"], chunk * plan.chunk_rows)
        p_wrong.append(scored.p_wrong[~scored.trusted])
        outliers += int(inferred.outlier.sum())
    with aside(answers / ROWS) as part:
        _write_rows(part, folder, plan, options, revision)
    assert tally is not None
    given = GivenLabels.load(folder, plan, revision)
    evidence = sample(folder, fitted.answers, given, fitted.groups, validated=fitted.validated)
    summary = report_on(
        evidence,
        fitted.noise,
        tally,
        np.concatenate(p_wrong),
        fitted.evidence,
        np.random.default_rng(_SEED),
    )
    report: dict[str, Any] = {"rows": plan.rows} | summary.to_json()
    report["columns"] = {"label": plan.label_column, "image": plan.image_column}
    report["outliers"] = outliers
    report["duplicates"] = json.loads(fitted.shared.summary[0])
    report["model"] = None
    if classifier is not None and plan.basis != "columns":
        report["model"] = {"name": classifier.manifest.name, "version": classifier.manifest.version}
    report["warnings"] = [
        *_warnings(status, examples, fitted),
        *_unchecked(plan, options, classifier, fitted),
        *plan.warnings,
        *summary.warnings,
    ]
    with aside(answers / REPORT) as part:
        part.write_text(json.dumps(report, indent=1) + "\n")


def _write_rows(path: Path, folder: Path, plan: Plan, options: AuditOptions, revision: int) -> None:
    """Write the chunks one after the other: at no time is more than a few of them in memory."""

    def tables() -> Iterator[pl.DataFrame]:
        for chunk in range(len(plan.chunks)):
            inferred, (scored, _) = Inferred.of(folder, chunk), Scored.load(folder, chunk, revision)
            yield _table(plan, plan.input(folder, chunk), inferred, scored, options)

    source = tables()
    first = next(source)

    def batches(
        columns: list[str] | None, predicate: Any, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        del columns, predicate, rows, size  # a sink asks for everything
        yield first
        yield from source

    register_io_source(batches, schema=first.schema).sink_parquet(
        path,
        row_group_size=_ROW_GROUP,
        maintain_order=True,
        engine="streaming",
        metadata={_REVISION: str(revision)},
    )


def answered_revision(folder: Path) -> int:
    """The revision that the answers of a finished audit are of: while a new one is worked on, the one before."""
    with (folder / ROWS).open("rb") as file:
        return int(pl.read_parquet_metadata(file).get(_REVISION, 0))


def _table(plan: Plan, table: pl.DataFrame, inferred: Inferred, scored: Scored, options: AuditOptions) -> pl.DataFrame:
    """A chunk's input columns, untouched, and the answers; rows that were not scored have null answers."""
    place = np.full(len(table), -1)
    place[inferred.seen] = np.arange(len(inferred.seen))
    unscored = pl.Series(place < 0)

    def spread(values: NDArray[Any], dtype: type[pl.DataType]) -> pl.Series:
        whole = pl.Series(values[place] if len(values) else np.zeros(len(table), dtype=values.dtype), dtype=dtype)
        return whole.zip_with(~unscored, pl.Series([None], dtype=dtype).new_from_index(0, len(table)))

    spelling = np.array(plan.spelling, dtype=object)
    answers = {
        FIRST_ANSWER: pl.Series(np.array(STATUS, dtype=object)[inferred.status], dtype=pl.String),
        "p_wrong": spread(scored.p_wrong, pl.Float64),
        "log_odds": spread(scored.log_odds, pl.Float64),
        "p_confusable": spread(scored.p_confusable, pl.Float64),
        "flagged": spread(scored.flagged, pl.Boolean),
        "suggested_label": spread(spelling[scored.suggested], pl.String),
        "kind": spread(scored.kind.astype(object), pl.String),
    }
    if options.probabilities:
        for k, name in enumerate(plan.classes):
            answers[f"model_prob_{name}"] = spread(scored.probabilities[:, k].astype(np.float64), pl.Float64)
    return table.rename(renames(answers.keys(), table.columns)).with_columns(**answers)


def _remember(examples: dict[str, list[str]], inferred: Inferred, images: pl.Series, first: int) -> None:
    """Keep the first few rows of each status in which a row can't be judged, by image or by number from 1."""
    for place in np.flatnonzero(inferred.status).tolist():
        kept = examples[STATUS[inferred.status[place]]]
        if len(kept) < _NAMED:
            kept.append(images[place] or f"row {first + place + 1}")


def _warnings(status: Counter[str], examples: Mapping[str, Sequence[str]], fitted: Fit) -> Iterator[str]:
    unjudged = {name: count for name, count in status.items() if name != "scored" and count}
    if unjudged:
        why = "; ".join(
            f"{count} {_WHY[name]} ({', '.join(examples[name])}{' and others' if count > len(examples[name]) else ''})"
            for name, count in sorted(unjudged.items())
        )
        yield f"{sum(unjudged.values())} rows could not be judged: {why}"
    if fitted.seen_in_training:
        yield (
            f"{fitted.seen_in_training} of {status['scored']} images are among those the model was trained on: "
            "what it says of their labels is no independent evidence"
        )


def _unchecked(plan: Plan, options: AuditOptions, classifier: Classifier | None, fitted: Fit) -> Iterator[str]:
    """Nobody vouched for the model's independence, and it can't be checked."""
    if classifier is None or options.evidence != "auto" or fitted.evidence != "reference" or plan.basis != "model":
        return
    if not len(classifier.training_pixels()):
        yield (
            "which images the model was trained on is not known: if these are among them, what it says of their labels "
            "is no independent evidence; audit with evidence=cross_validated then"
        )
