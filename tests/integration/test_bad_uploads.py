"""Uploads that are not as they should be: what is said of them, and that nothing is kept."""

import csv
import io
import zipfile
from typing import Any

import httpx
import polars as pl
import pytest

SCORES = ["p_wrong", "log_odds", "p_confusable", "flagged", "suggested_label", "kind"]


def csv_text(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def problem_code(answer: httpx.Response) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    code: str = answer.json()["code"]
    return code


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


def test_a_row_with_an_unknown_label_comes_back_unjudged(service: Any, kit: Any) -> None:
    """An unknown label leaves its row without scores, with the reason, and the report warns."""
    location = service.audit("image,label\n000.png,Coat\n001.png,Sock\n", kit.archive)
    assert [row["status"] for row in service.rows(location, sort="row")] == ["scored", "unknown_label"]
    unjudged = service.rows(location, sort="row")[1]
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
    assert [row["status"] for row in service.rows(location, sort="row")] == [
        "scored",
        "corrupt_image",
        "missing_image",
        "missing_image",
    ]
    warnings = service.http.get(f"{location}/report").json()["warnings"]
    [said] = [warning for warning in warnings if "could not be judged" in warning]
    assert "1 have an image that can't be read (bad.png)" in said
    assert "2 have no image (nowhere.png, row 4)" in said
    unjudged = service.rows(location, judged=False, sort="row")
    assert [row["row"] for row in unjudged] == [1, 2, 3]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\etc\\passwd", "C:\\x.png"])
def test_no_file_outside_the_images_is_read(service: Any, kit: Any, name: str) -> None:
    """An image name that leads elsewhere is a missing image: it is not read, not even to say that it is no image."""
    location = service.audit(csv_text([["image", "label"], ["000.png", "Coat"], [name, "Coat"]]), kit.archive)
    assert [row["status"] for row in service.rows(location, sort="row")] == ["scored", "missing_image"]


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
    "no known label": ("image,label\n000.png,Sock\n", {}, ["'Sock'", "Coat"]),
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
    assert [
        row["status"] for row in service.rows(service.audit("image,label\n000.png,Coat\n", kit.archive), sort="row")
    ] == ["scored"]


def test_errors_call_files_as_their_owner_does(service: Any, kit: Any) -> None:
    """Whoever uploads several files is told of which one an error is, without the folders that it lay in."""
    for labels, images, said in [
        (("mine.CSV", b"image,name\n000.png,Coat\n"), ("my pictures.zip", kit.archive), "mine.CSV: there is no column"),
        (
            ("mine.csv", b"image,label\n000.png,Coat\n"),
            ("C:\\a/my pictures.zip", b"-"),
            "my pictures.zip is no archive",
        ),
    ]:
        answer = service.http.post("/v1/audits", files={"labels": labels, "images": images})
        assert service.ended(answer.headers["Location"])["error"].startswith(said)


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


def test_labels_without_images_or_probabilities_fail_with_what_is_missing(service: Any) -> None:
    """A label file alone, without probability columns, ends as failed and says that the images are missing."""
    answer = service.http.post("/v1/audits", files={"labels": LABELS})
    assert answer.status_code == 202
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert "no images are given" in state["error"]
