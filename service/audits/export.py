"""All rows of a finished audit as a file: with the labels given, the labels suggested, or the labels reviewed."""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Literal

import polars as pl

from labels.formats.label_studio_task import LOCAL_FILES
from labels.formats.write_table import write_table
from labels.label_file import label_text
from labels.taken_names import renames
from service.audits.decisions import Decision
from service.audits.folder import AuditFolder
from service.audits.input_columns import find
from service.audits.one_at_a_time import one_at_a_time
from service.audits.review_tools import Verified, write_fiftyone, write_label_studio
from service.audits.steps.files import scan_table
from service.audits.steps.finish import ROWS
from service.audits.steps.plan import Plan

ExportFormat = Literal["csv", "csv-spreadsheet", "jsonl", "parquet", "label-studio", "fiftyone"]
ExportLabels = Literal["given", "suggested", "reviewed"]

EXPORT_TYPES: dict[ExportFormat, str] = {
    "csv": "text/csv",
    "csv-spreadsheet": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "label-studio": "application/json",
    "fiftyone": "application/json",
}
ENDINGS: dict[ExportFormat, str] = {
    "csv": "csv",
    "csv-spreadsheet": "spreadsheet.csv",
    "jsonl": "jsonl",
    "parquet": "parquet",
    "label-studio": "label-studio.json",
    "fiftyone": "samples.json",
}
_FORMULA = r"^[=+\-@\t\r]"
"""With these a spreadsheet takes a cell for a formula, which may send the sheet's content elsewhere (OWASP)."""
_ORIGINAL, _TRUSTED = "original_label", "trusted"


def export(
    folder: AuditFolder,
    form: ExportFormat,
    labels: ExportLabels,
    decisions: Mapping[int, Decision],
    *,
    decided: int = 0,
    image_root: str = LOCAL_FILES,
) -> Path:
    """Write all rows in the input's order into the audit's folder, once for what the rows are, and return the file.

    ``decided`` grows with the decisions: what has come of them since is written anew.

    ``suggested`` puts the suggestion into the label column of flagged rows and what it said into ``original_label``.
    ``reviewed`` does so with the reviewers' labels and sets ``trusted`` on the rows that they kept or relabelled: an
    audit, or a training, of that file knows what was verified, and what it said before. A column of the input that
    bears one of these names goes on as ``<name>_input``. In ``csv-spreadsheet`` text that a spreadsheet would take
    for a formula is preceded by an apostrophe; the other formats leave every cell as it is. ``label-studio`` and
    ``fiftyone`` are for tools that show the images; ``image_root`` is what comes before a name in Label Studio's URLs.
    """
    # Known before the rows are read: where others take their place meanwhile, the file is just written once more.
    edition = f"{(folder.path / ROWS).stat().st_mtime_ns}-{decided}"
    if form == "label-studio":
        edition += f"-{sha256(image_root.encode()).hexdigest()[:16]}"
    path = folder.path / f"export-{labels}-{edition}-.{ENDINGS[form]}"
    if path.exists():
        return path
    with one_at_a_time(folder.path / ROWS):  # tasks and samples of a million rows cost half a minute of a core
        if path.exists():
            return path
        for old in folder.path.glob(f"export-{labels}-*-.{ENDINGS[form]}"):
            old.unlink(missing_ok=True)
        table = scan_table(folder.path / ROWS).collect()
        verified = _trusted(folder)
        match labels:
            case "suggested":
                table = _suggested(folder, table)
            case "reviewed":
                table = _reviewed(folder, table, decisions)
                verified = Verified(table[_TRUSTED], label_text(table[_ORIGINAL]))
        match form:
            case "label-studio":
                write_label_studio(folder, table, verified, path, image_root)
            case "fiftyone":
                write_fiftyone(folder, table, verified, path)
            case "csv-spreadsheet":
                write_table(_for_spreadsheets(table), path)
            case _:
                write_table(table, path)
    return path


def _trusted(folder: AuditFolder) -> Verified:
    """The labels that the input calls verified."""
    plan = Plan.load(folder.path)
    labels = plan.labels(folder.path)
    return Verified(
        labels["trusted"],
        labels["original"].replace_strict(dict(enumerate(plan.spelling)), default=None, return_dtype=pl.String),
    )


def _for_spreadsheets(table: pl.DataFrame) -> pl.DataFrame:
    text = pl.col(pl.String)
    harmless = pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text)
    table = table.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String)).with_columns(harmless.name.keep())
    names = set(table.columns)
    renamed = {}
    for name in table.columns:
        if re.match(_FORMULA, name):
            renamed[name] = f"'{name}"
            while renamed[name] in names:
                renamed[name] = f"'{renamed[name]}"
            names.add(renamed[name])
    return table.rename(renamed)


def _suggested(folder: AuditFolder, table: pl.DataFrame) -> pl.DataFrame:
    given = _given(folder, table)
    suggested = table["suggested_label"].cast(given.dtype)
    label = suggested.zip_with(table["flagged"].fill_null(value=False), given)
    return _with_labels(table, label.alias(given.name), {_ORIGINAL: given})


def _reviewed(folder: AuditFolder, table: pl.DataFrame, decisions: Mapping[int, Decision]) -> pl.DataFrame:
    given = _given(folder, table)
    verified = {row: each.label for row, each in decisions.items()}
    decided = pl.repeat(None, table.height, dtype=pl.String, eager=True).scatter(
        list(verified), list(verified.values())
    )
    decided = decided.cast(given.dtype)
    trusted = Plan.load(folder.path).labels(folder.path)["trusted"]
    before = given
    if _ORIGINAL in table.columns and not table.schema[_ORIGINAL].is_nested():
        said = table[_ORIGINAL].cast(given.dtype, strict=False)
        before = said.zip_with(trusted & said.is_not_null(), given)
    return _with_labels(
        table,
        decided.zip_with(decided.is_not_null(), given).alias(given.name),
        {_ORIGINAL: before, _TRUSTED: trusted.scatter(list(verified), values=True)},
    )


def _given(folder: AuditFolder, table: pl.DataFrame) -> pl.Series:
    """The label column, as numbers if it holds numbers, else as text."""
    column = table[find(Plan.load(folder.path).label_column, table.columns)]
    return column if column.dtype.is_numeric() else column.cast(pl.String)


def _with_labels(table: pl.DataFrame, label: pl.Series, beside: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Replace the label column, and put others beside it; columns that bear their names go on as ``<name>_input``."""
    kept = [table[old].alias(new) for old, new in renames(beside.keys(), table.columns).items()]
    return (
        table.with_columns(kept).with_columns(column.alias(name) for name, column in beside.items()).with_columns(label)
    )
