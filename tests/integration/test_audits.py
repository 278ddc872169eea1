"""Audits over HTTP: uploads good and bad, the rows and their pages, exports cell for cell."""

import csv
import io
import json
import re
import zipfile
from typing import Any

import httpx
import polars as pl
import pytest

SCORES = ["p_wrong", "log_odds", "p_confusable", "flagged", "suggested_label", "kind"]
ANSWERS = ["status", *SCORES]
CLASSES = ("Coat", "Pullover", "Trouser")


def csv_text(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def all_rows(service: Any, location: str, **query: Any) -> list[dict[str, Any]]:
    """Follow the cursor to the end."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = service.http.get(f"{location}/rows", params=query | cursor).json()
        assert page.keys() == {"rows", "next_cursor"}
        found += page["rows"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def problem_code(answer: httpx.Response) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    code: str = answer.json()["code"]
    return code


@pytest.fixture(scope="module")
def whole(service: Any, kit: Any) -> str:
    """The audit of the whole example kit."""
    location: str = service.audit(kit.labels.read_bytes(), kit.archive)
    return location


def test_a_submitted_audit_is_accepted_and_listed(service: Any, kit: Any) -> None:
    """A good upload is a 202 with the place to look, and the list of audits holds it."""
    answer = service.submit("image,label\n000.png,Coat\n", kit.archive)
    assert answer.status_code == 202
    state = answer.json()
    assert answer.headers["Location"] == f"/v1/audits/{state['id']}"
    assert re.fullmatch("[0-9a-f]{16}", state["id"])
    assert state.keys() == {
        "id", "owner", "name", "status", "phase", "done", "total", "error", "created_at", "model", "revision",
        "rows_per_second", "eta_seconds",
    }  # fmt: skip
    ended = service.ended(answer.headers["Location"])
    assert (ended["status"], ended["done"], ended["total"]) == ("succeeded", 1, 1)
    assert ended["model"] == "fashion-mnist@1"
    assert ended in service.http.get("/v1/audits").json()["audits"]


def test_the_report_has_the_documented_parts(service: Any, whole: str) -> None:
    """The data set's answer holds the documented fields, with intervals around their estimates."""
    report = service.http.get(f"{whole}/report").json()
    assert report.keys() >= {
        "rows", "scored", "evidence", "flagged", "noise_rate", "asymmetry", "image_dependent", "transition",
        "expected_precision", "warnings", "model", "groups",
    }  # fmt: skip
    assert (report["rows"], report["scored"], report["evidence"]) == (600, 600, "reference")
    for interval in (report["noise_rate"], report["asymmetry"]["excess"]):
        assert interval["low"] <= interval["estimate"] <= interval["high"]
    assert report["transition"].keys() >= {"classes", "counts", "rates"}
    assert all(sum(row) == pytest.approx(1) for row in report["transition"]["rates"])
    assert report["flagged"] == sum(row["flagged"] for row in all_rows(service, whole))


@pytest.mark.parametrize("sort", ["log_odds", "row"])
def test_pages_visit_each_row_once(service: Any, whole: str, sort: str) -> None:
    """Whatever the sort and the size of the pages, following the cursor gives each row exactly once, in one order."""
    rows = all_rows(service, whole, sort=sort, limit=37)
    assert sorted(row["row"] for row in rows) == list(range(600))
    assert rows == all_rows(service, whole, sort=sort, limit=1000)
    if sort == "row":
        assert [row["row"] for row in rows] == list(range(600))
    else:
        odds = [row["log_odds"] for row in rows]
        assert odds == sorted(odds, reverse=True)


def test_rows_are_filtered_by_label_and_kind(service: Any, whole: str) -> None:
    """``class`` and ``kind`` give exactly the rows of that given label and kind, alone and together."""
    rows = all_rows(service, whole, sort="row")
    coats = [row for row in rows if row["label"] == "Coat"]
    confusable = [row for row in rows if row["kind"] == "confusable"]
    assert coats
    assert confusable
    assert all_rows(service, whole, sort="row", limit=10, **{"class": "Coat"}) == coats
    assert all_rows(service, whole, sort="row", limit=10, kind="confusable") == confusable
    both = all_rows(service, whole, sort="row", kind="confusable", **{"class": "Coat"})
    assert both == [row for row in coats if row["kind"] == "confusable"]
    assert all_rows(service, whole, **{"class": "no such label"}) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"cursor": "x"}, "invalid_request"),
        ({"cursor": "-1"}, "invalid_request"),
        ({"cursor": "9" * 5000}, "invalid_request"),
        ({"limit": 0}, "invalid_request"),
        ({"limit": 1001}, "invalid_request"),
        ({"sort": "label"}, "invalid_request"),
        ({"kind": "odd"}, "invalid_request"),
    ],
)
def test_a_wrong_query_of_rows_is_refused(service: Any, whole: str, query: dict[str, Any], code: str) -> None:
    """A made-up cursor or an impossible parameter is refused with a code, not answered with some rows."""
    answer = service.http.get(f"{whole}/rows", params=query)
    assert answer.status_code == 422
    assert problem_code(answer) == code


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


def exported(service: Any, location: str, form: str, labels: str = "given") -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of an export."""
    answer = service.http.get(f"{location}/export", params={"format": form, "labels": labels})
    assert answer.status_code == 200, answer.text
    if form == "csv":
        header, *rows = csv.reader(io.StringIO(answer.content.decode(), newline=""))
        return header, rows
    if form == "jsonl":
        objects = [json.loads(line) for line in answer.content.decode().splitlines()]
        return list(objects[0]), [list(each.values()) for each in objects]
    table = pl.read_parquet(io.BytesIO(answer.content))
    return table.columns, [list(row) for row in table.iter_rows()]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_export_gives_back_the_input_cell_for_cell(service: Any, awkward: str, form: str) -> None:
    """Every input row and column comes back in order and unaltered, in each format, with the scores behind."""
    columns, rows = exported(service, awkward, form)
    assert columns == AWKWARD_OUT + ANSWERS
    assert [row[: len(AWKWARD_OUT)] for row in rows] == AWKWARD[1:]
    status = columns.index("status")
    assert [row[status] for row in rows] == ["scored", "scored", "unknown_label", "missing_image", "scored"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_three_exports_say_the_same_as_the_rows(service: Any, whole: str, form: str) -> None:
    """Scores read from an export are those of the pages, whatever the format."""
    columns, rows = exported(service, whole, form)
    assert len(rows) == 600
    at = columns.index("log_odds")
    assert [float(row[at]) for row in rows] == [row["log_odds"] for row in all_rows(service, whole, sort="row")]


def test_suggested_labels_replace_exactly_the_flagged_ones(service: Any, whole: str) -> None:
    """``labels=suggested`` changes the label of every flagged row, of no other, and keeps what it said."""
    columns, rows = exported(service, whole, "jsonl", "suggested")
    assert columns == ["image", "label", *ANSWERS, "original_label"]
    given = {row["row"]: row for row in all_rows(service, whole)}
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
    assert set(status_of(service, again)) == {"scored"}
    found = service.http.get(f"{location}/rows", params={"class": "4", "limit": 1}).json()["rows"]
    assert str(found[0]["label"]) == "4"


def test_what_a_verified_label_said_before_is_read(service: Any, kit: Any) -> None:
    """Trusted rows with their original labels are never flagged, and what they said before moves the noise rate."""
    truth, given = (pl.read_csv(path, infer_schema=False) for path in (kit.truth, kit.labels))
    verified = truth.with_columns(original_label=given["label"], trusted=pl.lit("true"))
    location = service.audit(verified.write_csv(), kit.archive)
    report = service.http.get(f"{location}/report").json()
    assert report["flagged"] == 0
    shirt, t_shirt = (report["transition"]["classes"].index(name) for name in ("Shirt", "T-shirt/top"))
    assert report["transition"]["rates"][shirt][t_shirt] == pytest.approx(0.2, abs=0.08)


def test_dates_beyond_the_calendar_are_refused_by_name(service: Any, kit: Any) -> None:
    """A Parquet column that no text can hold ends the audit with its name, and the service goes on."""
    table = pl.DataFrame({"image": ["000.png"], "label": ["Coat"], "taken": [10**9]}).cast({"taken": pl.Date})
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    answer = service.submit(buffer.getvalue(), kit.archive, labels_name="labels.parquet")
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert "'taken'" in state["error"]


def test_a_hostile_parquet_file_costs_one_attempt(service: Any, kit: Any, lying_parquet: bytes) -> None:
    """A Parquet file at which polars ends its process is refused at once, by name; the worker is the same as before."""
    service.audit("image,label\n000.png,Coat\n001.png,Trouser\n", kit.archive)
    worker = service.services.audits._runner.pid
    answer = service.submit(lying_parquet, kit.archive, labels_name="labels.parquet")
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert "labels.parquet: the file is not a Parquet file that can be read" in state["error"]
    assert service.services.audits._runner.pid == worker


def test_suggestions_leave_a_column_of_original_labels_to_be_read(service: Any, kit: Any) -> None:
    """An input column ``original_label`` is not lost when suggestions are exported under that name."""
    location = service.audit("image,label,original_label\n000.png,Coat,first\n001.png,Trouser,second\n", kit.archive)
    columns, rows = exported(service, location, "csv", "suggested")
    assert [row[columns.index("original_label_input")] for row in rows] == ["first", "second"]
    assert [row[columns.index("original_label")] for row in rows] == ["Coat", "Trouser"]


def test_a_column_named_like_an_answer_comes_back_as_input(service: Any, awkward: str) -> None:
    """Columns ``p_wrong`` and ``status`` of the input stand beside the answers of these names, and ``row`` too."""
    for row, cells in zip(all_rows(service, awkward, sort="row"), AWKWARD[1:], strict=True):
        assert [row["p_wrong_input"], row["status_input"], row["row_input"]] == cells[2:5]
    assert [row["row"] for row in all_rows(service, awkward, sort="row")] == [0, 1, 2, 3, 4]


def test_labels_in_a_column_named_like_an_answer_are_labels(service: Any, kit: Any) -> None:
    """A label column called ``status`` is audited, filtered and exported like any other."""
    labels = "image,status\n000.png,Coat\n001.png,Trouser\n"
    location = service.audit(labels, kit.archive, label_column="status")
    (coat,) = all_rows(service, location, **{"class": "Coat"})
    assert (coat["status_input"], coat["status"]) == ("Coat", "scored")
    columns, rows = exported(service, location, "csv", "suggested")
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
    assert [row["list"] for row in all_rows(service, location, sort="row")] == [[1, 2], []]
    for form in ("csv", "jsonl", "parquet"):
        assert len(exported(service, location, form)[1]) == 2
    columns, rows = exported(service, location, "parquet")
    assert columns[: table.width] == table.columns
    assert [row[2] for row in rows] == [b"\xff\x00", b""]


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_each_format_of_labels_is_audited_alike(service: Any, kit: Any, form: str) -> None:
    """The same labels in any of the four formats get the same scores."""
    table = pl.read_csv(kit.labels).head(8)
    buffer = io.BytesIO()
    match form:
        case "csv":
            table.write_csv(buffer)
        case "tsv":
            table.write_csv(buffer, separator="\t")
        case "jsonl":
            table.write_ndjson(buffer)
        case _:
            table.write_parquet(buffer)
    location = service.audit(buffer.getvalue(), kit.archive, labels_name=f"Labels.{form.upper()}")
    reference = service.audit(table.write_csv(), kit.archive)
    assert all_rows(service, location) == all_rows(service, reference)


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
    assert len(all_rows(service, location, **{"class": "Coat"})) == 3
    return location


def test_spreadsheets_get_no_formulas_whatever_holds_them(service: Any, kit: Any) -> None:
    """Text of a kind of its own, as categories are in Parquet, is made harmless like any other."""
    table = pl.DataFrame({"image": ["000.png"], "label": ["Coat"], "x": pl.Series(["=1+1"], dtype=pl.Categorical)})
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    location = service.audit(buffer.getvalue(), kit.archive, labels_name="labels.parquet")
    text = service.http.get(f"{location}/export", params={"format": "csv-spreadsheet"}).text
    assert text.splitlines()[1].startswith("000.png,Coat,'=1+1,")


def test_probabilities_come_with_the_rows_when_asked_for(service: Any, kit: Any) -> None:
    """With ``probabilities=true`` each row carries the model's distribution over all classes."""
    location = service.audit("image,label\n000.png,Coat\n001.png,Trouser\n", kit.archive, probabilities="true")
    for row in all_rows(service, location):
        probabilities = [value for name, value in row.items() if name.startswith("model_prob_")]
        assert len(probabilities) == 10
        assert sum(probabilities) == pytest.approx(1)


def test_groups_of_the_callers_choice_are_used(service: Any, kit: Any) -> None:
    """Groups sent as JSON replace the model's own in the report."""
    groups = [["Coat", "Pullover", "Trouser"]]
    location = service.audit("image,label\n000.png,Coat\n", kit.archive, groups=json.dumps({"groups": groups}))
    (found,) = service.http.get(f"{location}/report").json()["groups"]
    assert set(found) == set(groups[0])


# Uploads that are not as they should be


def status_of(service: Any, location: str) -> list[str]:
    return [row["status"] for row in all_rows(service, location, sort="row")]


def test_a_row_with_an_unknown_label_comes_back_unjudged(service: Any, kit: Any) -> None:
    """An unknown label leaves its row without scores, with the reason, and the report warns."""
    location = service.audit("image,label\n000.png,Coat\n001.png,Sock\n", kit.archive)
    assert status_of(service, location) == ["scored", "unknown_label"]
    unjudged = all_rows(service, location, sort="row")[1]
    assert [unjudged[name] for name in SCORES] == [None] * len(SCORES)
    assert any("'Sock'" in warning for warning in service.http.get(f"{location}/report").json()["warnings"])


def test_rows_without_a_readable_image_come_back_unjudged(service: Any, kit: Any) -> None:
    """A missing, an unnamed and a corrupt image leave their rows without scores, each with its reason."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good.png", kit.image(0).read_bytes())
        archive.writestr("bad.png", kit.image(1).read_bytes()[:80])
    labels = "image,label\ngood.png,Coat\nbad.png,Coat\nnowhere.png,Coat\n,Coat\n"
    location = service.audit(labels, buffer.getvalue())
    assert status_of(service, location) == ["scored", "corrupt_image", "missing_image", "missing_image"]
    warnings = service.http.get(f"{location}/report").json()["warnings"]
    assert any("1 corrupt_image" in warning and "2 missing_image" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\etc\\passwd", "C:\\x.png"])
def test_no_file_outside_the_images_is_read(service: Any, kit: Any, name: str) -> None:
    """An image name that leads elsewhere is a missing image: it is not read, not even to say that it is no image."""
    location = service.audit(csv_text([["image", "label"], ["000.png", "Coat"], [name, "Coat"]]), kit.archive)
    assert status_of(service, location) == ["scored", "missing_image"]


def test_duplicate_rows_are_judged_and_warned_of(service: Any, kit: Any) -> None:
    """Rows that name an image again all come back, and the report says where the first is."""
    location = service.audit("image,label\n000.png,Coat\n001.png,Trouser\n000.png,Pullover\n", kit.archive)
    assert status_of(service, location) == ["scored"] * 3
    warnings = service.http.get(f"{location}/report").json()["warnings"]
    assert any("names an image that an earlier row names too" in w or "row 3" in w for w in warnings)


FAILING = {
    "missing label column": ("image,name\n000.png,Coat\n", {}, ["labels.csv", "'label'", "'image', 'name'"]),
    "missing image column": ("where,label\n000.png,Coat\n", {}, ["no column names them", "image_column"]),
    "doubtful label column": ("image,class,target\n000.png,Coat,Coat\n", {}, ["'class', 'target'", "label_column"]),
    "doubtful image column": ("file,path,label\n000.png,000.png,Coat\n", {}, ["'file', 'path'", "image_column"]),
    "named column missing": ("image,label\n000.png,Coat\n", {"label_column": "truth"}, ["'truth'", "'label'"]),
    "wrong encoding": ("image,label\n000.png,Cöat\n".encode("latin-1"), {}, ["line 2", "UTF-8"]),
    "no rows": ("image,label\n", {}, ["labels.csv", "no rows"]),
    "nothing at all": (b"", {}, ["labels.csv", "empty", "header"]),
    "short row": ("image,label\n000.png,Coat\n001.png\n", {}, ["row 2", "line 3"]),
    "no known label": ("image,label\n000.png,Sock\n", {}, ["'Sock'", "'Coat'"]),
    "no image at all": ("image,label\nnowhere.png,Coat\n", {}, ["1 missing_image"]),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_bad_upload_fails_with_its_place_and_cure(service: Any, kit: Any, name: str) -> None:
    """An upload that can't be audited ends as failed, and its error names the place and what would be right."""
    labels, options, said = FAILING[name]
    answer = service.submit(labels, kit.archive, **options)
    assert answer.status_code == 202
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert all(part in state["error"] for part in said), state["error"]
    for part in ("report", "rows", "export"):
        refused = service.http.get(f"{answer.headers['Location']}/{part}")
        assert refused.status_code == 409
        assert problem_code(refused) == "audit_not_finished"
        assert state["error"] in refused.json()["detail"]


@pytest.mark.parametrize("archive", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_an_archive_that_is_none_fails_the_audit(service: Any, kit: Any, archive: bytes) -> None:
    """Images that are no archive fail the audit with a message about the images, and the next audit runs."""
    answer = service.submit("image,label\n000.png,Coat\n", archive)
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert "images.zip" in state["error"]
    assert status_of(service, service.audit("image,label\n000.png,Coat\n", kit.archive)) == ["scored"]


LABELS = ("labels.csv", b"image,label\n000.png,Coat\n")


@pytest.mark.parametrize(
    ("files", "fields", "named"),
    [
        ({"labels": LABELS, "images": ("i.zip", b"x")}, {"colour": "red"}, "colour"),
        ({"labels": LABELS, "images": ("i.zip", b"x")}, {"evidence": "guess"}, "evidence"),
        ({"labels": LABELS, "images": ("i.zip", b"x")}, {"probabilities": "perhaps"}, "probabilities"),
        ({"labels": ("labels.xlsx", b"x"), "images": ("i.zip", b"x")}, {}, ".parquet"),
        ({"labels": LABELS, "images": ("i.rar", b"x")}, {}, ".zip"),
        ({"labels": ("labels.xlsx", b"x"), "images": ("i.zip", b"x")}, {}, "save a spreadsheet as CSV"),
        ({"evidence": (None, "auto")}, {}, "labels"),
    ],
)
def test_a_form_that_is_not_as_it_should_be_is_refused_at_once(
    service: Any, files: dict[str, Any], fields: dict[str, str], named: str
) -> None:
    """An unknown field, an impossible value, a wrong file name or a missing file is a 422 that names it."""
    before = service.http.get("/v1/audits").json()
    answer = service.http.post("/v1/audits", files=files, data=fields)
    assert answer.status_code == 422
    assert problem_code(answer) == "body"
    assert named in answer.json()["detail"]
    assert service.http.get("/v1/audits").json() == before


@pytest.mark.parametrize(
    ("groups", "evidence"), [('{"groups": [["Coat", "Sock"]]}', "reference"), ("Coat, Sock", "auto")]
)
def test_wrong_groups_refuse_the_upload_at_once(service: Any, kit: Any, groups: str, evidence: str) -> None:
    """Groups that the model doesn't know though it shall judge by them, or that are no JSON, are refused at once."""
    answer = service.submit("image,label\n000.png,Coat\n", kit.archive, groups=groups, evidence=evidence)
    assert (answer.status_code, problem_code(answer)) == (422, "groups")


def test_groups_of_classes_that_are_not_there_fail_the_audit(service: Any, kit: Any) -> None:
    """Groups that fit neither the model's classes nor the file's end the audit with the class that is not known."""
    groups = '{"groups": [["Coat", "Sock"]]}'
    answer = service.submit("image,label\n000.png,Coat\n", kit.archive, groups=groups)
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert "'Sock'" in state["error"]


def test_an_option_sent_as_a_file_is_named(service: Any, kit: Any) -> None:
    """Whoever sends an option as a file learns which one, and what to do."""
    files = {"labels": ("labels.csv", b"image,label\n"), "images": ("i.zip", kit.archive), "groups": ("g.json", b"{}")}
    answer = service.http.post("/v1/audits", files=files)
    assert answer.status_code == 422
    assert "groups: send it as text" in answer.json()["detail"]


def test_an_unknown_model_refuses_the_upload_and_keeps_nothing(service: Any, kit: Any) -> None:
    """An audit by a model that is not there is a 404 at once, and the upload is removed."""
    before = sorted((service.data_dir / "audits").iterdir())
    answer = service.submit("image,label\n000.png,Coat\n", kit.archive, model="nope")
    assert answer.status_code == 404
    assert problem_code(answer) == "model_not_found"
    assert sorted((service.data_dir / "audits").iterdir()) == before


def test_an_upload_over_the_limit_is_refused(start_service: Any, kit: Any, tmp_path: Any) -> None:
    """An upload larger than the operator allows is a 413 and leaves nothing behind."""
    with start_service(tmp_path, max_upload_bytes=1000) as small:
        answer = small.submit("image,label\n000.png,Coat\n", kit.archive)
        assert answer.status_code == 413
        assert problem_code(answer) == "body_too_large"
        assert small.http.get("/v1/audits").json()["audits"] == []


@pytest.mark.parametrize("audit_id", ["..", "%2e%2e", "%2e%2e%2f%2e%2e", "A" * 16, "a" * 17, "a" * 15, "a" * 16, "%00"])
@pytest.mark.parametrize("part", ["", "/report", "/rows", "/export"])
def test_an_audit_that_is_not_there_is_a_404(service: Any, whole: str, audit_id: str, part: str) -> None:
    """An id that was not given out, however it is spelt, is a 404 and never a path on the server's disk."""
    request = httpx.Request("GET", service.http.base_url.copy_with(raw_path=f"/v1/audits/{audit_id}{part}".encode()))
    answer = service.http.send(request)
    assert answer.status_code == 404
    assert problem_code(answer) in {"audit_not_found", "not_found"}


def test_labels_without_images_or_probabilities_fail_with_what_is_missing(service: Any) -> None:
    """A label file alone, without probability columns, ends as failed and says that the images are missing."""
    answer = service.http.post("/v1/audits", files={"labels": LABELS})
    assert answer.status_code == 202
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert "no images are given" in state["error"]


def test_probability_columns_need_no_images(service: Any, kit: Any) -> None:
    """A file with probabilities is audited by them alone; whether their model saw the labels, the caller says."""
    classes = ["cat", "dog", "horse"]
    rows = [["label", *(f"prob_{name}" for name in classes)]]
    for i in range(900):
        true, given = i % 3, (0 if i % 30 == 1 else i % 3)
        rows.append([classes[given], *(f"{0.998 if k == true else 0.001}" for k in range(3))])
    for fields, evidence in (({}, "cross_validated"), ({"evidence": "reference"}, "reference")):
        files = {"labels": ("labels.csv", csv_text(rows).encode())}
        location = service.http.post("/v1/audits", files=files, data=fields).headers["Location"]
        assert service.ended(location)["status"] == "succeeded"
        report = service.http.get(f"{location}/report").json()
        assert (report["evidence"], report["model"]) == (evidence, None)
    assert report["flagged"] == 30
    page = service.http.get(f"{location}/rows", params={"limit": 30}).json()["rows"]
    assert {(row["label"], row["suggested_label"]) for row in page} == {("cat", "dog")}


def test_an_image_under_two_labels_is_judged_by_both(service: Any, kit: Any) -> None:
    """Rows that show one image under different labels are counted, and the odd one out is a duplicate."""
    rows = [["image", "label"], *([f"{i:03}.png", label] for i, label in enumerate(labels_of(kit)[:40]))]
    sure = next(i for i, label in enumerate(labels_of(kit)[:40]) if label == "Trouser")
    rows += [[f"{sure:03}.png", "Trouser"], [f"{sure:03}.png", "Bag"]]
    location = service.audit(csv_text(rows), kit.archive)
    report = service.http.get(f"{location}/report").json()
    assert report["duplicates"]["exact"] == {"clusters": 1, "rows": 3}
    assert report["duplicates"]["conflicting"] == {"clusters": 1, "rows": 3}
    found = all_rows(service, location, kind="duplicate")
    assert [(row["row"], row["label"], row["suggested_label"]) for row in found] == [(41, "Bag", "Trouser")]


def labels_of(kit: Any) -> list[str]:
    return pl.read_csv(kit.truth)["label"].to_list()


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


def test_audits_are_listed_by_the_page(service: Any) -> None:
    """As many as were asked for, the newest first, and the rest from the cursor on; a cursor of nobody's is refused."""
    ids = []
    for _ in range(3):
        files = {"labels": ("l.csv", "image,label,prob_a,prob_b\nx,a,0.5,0.5\n")}
        ids.append(service.http.post("/v1/audits", files=files).json()["id"])
    first = service.http.get("/v1/audits", params={"limit": 2}).json()
    assert [state["id"] for state in first["audits"]] == [ids[2], ids[1]]
    second = service.http.get("/v1/audits", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [state["id"] for state in second["audits"]] == [ids[0]]
    for wrong in ({"limit": 0}, {"limit": 1001}, {"cursor": "x"}, {"cursor": "9" * 17 + "-" + ids[0]}, {"cursor": ""}):
        answer = service.http.get("/v1/audits", params=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
