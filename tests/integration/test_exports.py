"""Exports of an audit: every cell as it came in, in each format, and the suggestions."""

import csv
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

from service.audits.export import export
from service.audits.folder import AuditFolder
from service.audits.review_tools import write_label_studio

SCORES = ["p_wrong", "log_odds", "p_confusable", "flagged", "suggested_label", "kind"]
ANSWERS = ["status", *SCORES]
CLASSES = ("Coat", "Pullover", "Trouser")


def csv_text(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


AWKWARD = [
    ["image", "label", "p_wrong", "status", "row", "a note", "empty"],
    ["000.png", "Coat", "0.5", "scored", "7", "comma, quote \" and 'quote'", ""],
    ["001.png", "Trouser", "007", "", "1e3", "two\nlines", ""],
    ["002.png", "Nope", "NaN", "null", "-", " spaces ", ""],
    ["nowhere.png", "Coat", "1.10", "true", "", "Grüße 猫 \U0001f408", ""],
    ["003.png", "Pullover", "", "x", "0x10", "=1+1", ""],
]
AWKWARD_OUT = ["image", "label", "p_wrong_input", "status_input", "row", "a note", "empty"]


@pytest.fixture(scope="module")
def awkward(service: Any, kit: Any) -> str:
    """The audit of a label file whose cells and column names ask for trouble."""
    location: str = service.audit(csv_text(AWKWARD), kit.archive)
    return location


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_export_gives_back_the_input_cell_for_cell(service: Any, awkward: str, form: str) -> None:
    """Every input row and column comes back in order and unaltered, in each format, with the scores behind."""
    columns, rows = service.exported(awkward, form)
    assert columns == AWKWARD_OUT + ANSWERS
    assert [row[: len(AWKWARD_OUT)] for row in rows] == AWKWARD[1:]
    status = columns.index("status")
    assert [row[status] for row in rows] == ["scored", "scored", "unknown_label", "missing_image", "scored"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_three_exports_say_the_same_as_the_rows(service: Any, whole: str, form: str) -> None:
    """Scores read from an export are those of the pages, whatever the format."""
    columns, rows = service.exported(whole, form)
    assert len(rows) == 600
    at = columns.index("log_odds")
    assert [float(row[at]) for row in rows] == [row["log_odds"] for row in service.rows(whole, sort="row")]


def test_suggested_labels_replace_exactly_the_flagged_ones(service: Any, whole: str) -> None:
    """``labels=suggested`` changes the label of every flagged row, of no other, and keeps what it said."""
    columns, rows = service.exported(whole, "jsonl", "suggested")
    assert columns == ["image", "label", *ANSWERS, "original_label"]
    given = {row["row"]: row for row in service.rows(whole)}
    changed = 0
    for number, cells in enumerate(rows):
        row = dict(zip(columns, cells, strict=True))
        assert row["original_label"] == given[number]["label"]
        assert row["label"] == (row["suggested_label"] if row["flagged"] else row["original_label"])
        assert (row["label"] != row["original_label"]) == row["flagged"]
        changed += row["flagged"]
    assert changed > 0


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_suggestions_are_spelled_as_the_file_spells_its_labels(service: Any, kit: Any, form: str) -> None:
    """Where labels are class indices, suggestions are indices too, so that the export can be audited again."""
    index = {
        name: k for k, name in enumerate(service.http.get("/v1/models").json()["models"][0]["versions"][0]["classes"])
    }
    given = pl.read_csv(kit.labels, infer_schema=False)
    numbers = given.with_columns(pl.col("label").replace_strict(index, return_dtype=pl.Int64))
    buffer = io.BytesIO()
    numbers.write_parquet(buffer) if form == "parquet" else numbers.write_csv(buffer)
    location = service.audit(buffer.getvalue(), kit.archive, labels_name=f"labels.{form}")
    content = service.http.get(f"{location}/export", params={"format": form, "labels": "suggested"}).content
    again = service.audit(content, kit.archive, labels_name=f"labels.{form}")
    assert {row["status"] for row in service.rows(again, sort="row")} == {"scored"}
    found = service.http.get(f"{location}/rows", params={"class": "4", "limit": 1}).json()["rows"]
    assert str(found[0]["label"]) == "4"


def test_suggestions_leave_a_column_of_original_labels_to_be_read(service: Any, kit: Any) -> None:
    """An input column ``original_label`` is not lost when suggestions are exported under that name."""
    location = service.audit("image,label,original_label\n000.png,Coat,first\n001.png,Trouser,second\n", kit.archive)
    columns, rows = service.exported(location, "csv", "suggested")
    assert [row[columns.index("original_label_input")] for row in rows] == ["first", "second"]
    assert [row[columns.index("original_label")] for row in rows] == ["Coat", "Trouser"]


def test_a_column_named_like_an_answer_comes_back_as_input(service: Any, awkward: str) -> None:
    """Columns ``p_wrong`` and ``status`` of the input stand beside the answers of these names, and ``row`` too."""
    for row, cells in zip(service.rows(awkward, sort="row"), AWKWARD[1:], strict=True):
        assert [row["p_wrong_input"], row["status_input"], row["row_input"]] == cells[2:5]
    assert [row["row"] for row in service.rows(awkward, sort="row")] == [0, 1, 2, 3, 4]


def test_labels_in_a_column_named_like_an_answer_are_labels(service: Any, kit: Any) -> None:
    """A label column called ``status`` is audited, filtered and exported like any other."""
    labels = "image,status\n000.png,Coat\n001.png,Trouser\n"
    location = service.audit(labels, kit.archive, label_column="status")
    (coat,) = service.rows(location, **{"class": "Coat"})
    assert (coat["status_input"], coat["status"]) == ("Coat", "scored")
    columns, rows = service.exported(location, "csv", "suggested")
    assert [row[columns.index("original_label")] for row in rows] == ["Coat", "Trouser"]
    assert [row[columns.index("status")] for row in rows] == ["scored", "scored"]


def test_columns_of_any_type_come_back_in_pages_and_exports(service: Any, kit: Any) -> None:
    """Bytes, lists, records, infinities and dates of a Parquet label file break neither page nor export."""
    table = pl.DataFrame(
        {
            "image": ["000.png", "001.png"],
            "label": ["Coat", "Trouser"],
            "bytes": [b"\xff\x00", b""],
            "number": [float("nan"), float("inf")],
            "list": [[1, 2], []],
            "record": [{"a": b"\xfe"}, {"a": None}],
        }
    ).with_columns(day=pl.date(2026, 1, 31))
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    location = service.audit(buffer.getvalue(), kit.archive, labels_name="labels.parquet")
    assert [row["list"] for row in service.rows(location, sort="row")] == [[1, 2], []]
    for form in ("csv", "jsonl", "parquet"):
        assert len(service.exported(location, form)[1]) == 2
    columns, rows = service.exported(location, "parquet")
    assert columns[: table.width] == table.columns
    assert [row[2] for row in rows] == [b"\xff\x00", b""]


STRANGE = ["image", "*", "^.*$", "self", "row_of_decision", "=1+1", "'=1+1", "a.b", "$"]


@pytest.mark.parametrize("labels", ["given", "suggested", "reviewed"])
@pytest.mark.parametrize("form", ["csv", "csv-spreadsheet", "jsonl", "parquet", "label-studio", "fiftyone"])
def test_names_of_columns_are_never_patterns(service: Any, strangely_named: str, form: str, labels: str) -> None:
    """Columns with names that mean something to a library come back under them, in every export."""
    answer = service.http.get(f"{strangely_named}/export", params={"format": form, "labels": labels})
    assert answer.status_code == 200, answer.text
    if form == "csv":
        assert answer.text.splitlines()[0].split(",")[: len(STRANGE)] == STRANGE
    elif form == "csv-spreadsheet":
        assert answer.text.splitlines()[0].split(",")[5:7] == ["''=1+1", "'=1+1"]


@pytest.fixture(scope="module")
def strangely_named(service: Any, kit: Any) -> str:
    """An audit of labels in a column called ``*``, beside others of the kind."""
    rows = [[f"{number:03}.png", "Coat", *"abcdefg"] for number in range(3)]
    location: str = service.audit(csv_text([STRANGE, *rows]), kit.archive, label_column="*")
    assert len(service.rows(location, **{"class": "Coat"})) == 3
    return location


def test_spreadsheets_get_no_formulas_whatever_holds_them(service: Any, kit: Any) -> None:
    """Text of a kind of its own, as categories are in Parquet, is made harmless like any other."""
    table = pl.DataFrame({"image": ["000.png"], "label": ["Coat"], "x": pl.Series(["=1+1"], dtype=pl.Categorical)})
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    location = service.audit(buffer.getvalue(), kit.archive, labels_name="labels.parquet")
    text = service.http.get(f"{location}/export", params={"format": "csv-spreadsheet"}).text
    assert text.splitlines()[1].startswith("000.png,Coat,'=1+1,")


def test_formulas_are_disarmed_for_spreadsheets_alone(service: Any, kit: Any) -> None:
    """``csv-spreadsheet`` puts an apostrophe before what a spreadsheet would run; ``csv`` gives the cell back."""
    cells = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a=1", ""]
    rows = [["image", "label", "note"], *([f"{i:03}.png", "Coat", cell] for i, cell in enumerate(cells))]
    location = service.audit(csv_text(rows), kit.archive)
    found = {}
    for form in ("csv", "csv-spreadsheet"):
        content = service.http.get(f"{location}/export", params={"format": form}).content.decode()
        found[form] = [row[2] for row in csv.reader(io.StringIO(content, newline=""))][1:]
    assert found["csv"] == cells
    assert found["csv-spreadsheet"] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "a=1", ""]


def test_an_export_that_several_ask_for_is_written_once(
    service: Any, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks for Label Studio cost much: of those who ask together one makes them, and all get the same file."""
    written: list[Any] = []

    def write(folder: AuditFolder, *rest: Any) -> None:
        written.append(folder)
        write_label_studio(folder, *rest)

    monkeypatch.setattr("service.audits.export.write_label_studio", write)
    folder = AuditFolder(service.data_dir / "audits" / whole.rpartition("/")[2])
    together = threading.Barrier(4)

    def ask(_: int) -> Any:
        together.wait()
        return export(folder, "label-studio", "given", {}, image_root="/once/")

    with ThreadPoolExecutor(4) as threads:
        paths = list(threads.map(ask, range(4)))
    assert len(written) == 1
    assert len(set(paths)) == 1
