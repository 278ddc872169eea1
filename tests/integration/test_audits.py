"""Audits over HTTP: what is answered of a good upload, and the pages of its rows."""

import csv
import io
import json
import re
from typing import Any

import httpx
import polars as pl
import pytest


def csv_text(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def problem_code(answer: httpx.Response) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    code: str = answer.json()["code"]
    return code


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
    assert report["flagged"] == sum(row["flagged"] for row in service.rows(whole))


@pytest.mark.parametrize("sort", ["log_odds", "row"])
def test_pages_visit_each_row_once(service: Any, whole: str, sort: str) -> None:
    """Whatever the sort and the size of the pages, following the cursor gives each row exactly once, in one order."""
    rows = service.rows(whole, sort=sort, limit=37)
    assert sorted(row["row"] for row in rows) == list(range(600))
    assert rows == service.rows(whole, sort=sort, limit=1000)
    if sort == "row":
        assert [row["row"] for row in rows] == list(range(600))
    else:
        odds = [row["log_odds"] for row in rows]
        assert odds == sorted(odds, reverse=True)


def test_rows_are_filtered_by_label_and_kind(service: Any, whole: str) -> None:
    """``class`` and ``kind`` give exactly the rows of that given label and kind, alone and together."""
    rows = service.rows(whole, sort="row")
    coats = [row for row in rows if row["label"] == "Coat"]
    confusable = [row for row in rows if row["kind"] == "confusable"]
    assert coats
    assert confusable
    assert service.rows(whole, sort="row", limit=10, **{"class": "Coat"}) == coats
    assert service.rows(whole, sort="row", limit=10, kind="confusable") == confusable
    both = service.rows(whole, sort="row", kind="confusable", **{"class": "Coat"})
    assert both == [row for row in coats if row["kind"] == "confusable"]
    assert service.rows(whole, **{"class": "no such label"}) == []


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


def test_what_a_verified_label_said_before_is_read(service: Any, kit: Any) -> None:
    """Trusted rows with their original labels are never flagged, and what they said before moves the noise rate."""
    truth, given = (pl.read_csv(path, infer_schema=False) for path in (kit.truth, kit.labels))
    verified = truth.with_columns(original_label=given["label"], trusted=pl.lit("true"))
    location = service.audit(verified.write_csv(), kit.archive)
    report = service.http.get(f"{location}/report").json()
    assert report["flagged"] == 0
    shirt, t_shirt = (report["transition"]["classes"].index(name) for name in ("Shirt", "T-shirt/top"))
    assert report["transition"]["rates"][shirt][t_shirt] == pytest.approx(0.2, abs=0.08)


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
    assert service.rows(location) == service.rows(reference)


def test_probabilities_come_with_the_rows_when_asked_for(service: Any, kit: Any) -> None:
    """With ``probabilities=true`` each row carries the model's distribution over all classes."""
    location = service.audit("image,label\n000.png,Coat\n001.png,Trouser\n", kit.archive, probabilities="true")
    for row in service.rows(location):
        probabilities = [value for name, value in row.items() if name.startswith("model_prob_")]
        assert len(probabilities) == 10
        assert sum(probabilities) == pytest.approx(1)


def test_groups_of_the_callers_choice_are_used(service: Any, kit: Any) -> None:
    """Groups sent as JSON replace the model's own in the report."""
    groups = [["Coat", "Pullover", "Trouser"]]
    location = service.audit("image,label\n000.png,Coat\n", kit.archive, groups=json.dumps({"groups": groups}))
    (found,) = service.http.get(f"{location}/report").json()["groups"]
    assert set(found) == set(groups[0])


def test_duplicate_rows_are_judged_and_warned_of(service: Any, kit: Any) -> None:
    """Rows that name an image again all come back, and the report says where the first is."""
    location = service.audit("image,label\n000.png,Coat\n001.png,Trouser\n000.png,Pullover\n", kit.archive)
    assert [row["status"] for row in service.rows(location, sort="row")] == ["scored"] * 3
    warnings = service.http.get(f"{location}/report").json()["warnings"]
    assert any("names an image that an earlier row names too" in w or "row 3" in w for w in warnings)


@pytest.mark.parametrize("audit_id", ["..", "%2e%2e", "%2e%2e%2f%2e%2e", "A" * 16, "a" * 17, "a" * 15, "a" * 16, "%00"])
@pytest.mark.parametrize("part", ["", "/report", "/rows", "/export"])
def test_an_audit_that_is_not_there_is_a_404(service: Any, whole: str, audit_id: str, part: str) -> None:
    """An id that was not given out, however it is spelt, is a 404 and never a path on the server's disk."""
    request = httpx.Request("GET", service.http.base_url.copy_with(raw_path=f"/v1/audits/{audit_id}{part}".encode()))
    answer = service.http.send(request)
    assert answer.status_code == 404
    assert problem_code(answer) in {"audit_not_found", "not_found"}


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
    found = service.rows(location, kind="duplicate")
    assert [(row["row"], row["label"], row["suggested_label"]) for row in found] == [(41, "Bag", "Trouser")]


def labels_of(kit: Any) -> list[str]:
    return pl.read_csv(kit.truth)["label"].to_list()


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


def test_labels_that_the_model_does_not_know_are_named(service: Any, kit: Any) -> None:
    """Where one label written otherwise keeps the model from judging, a person reads which it is."""
    labels = kit.labels.read_text().replace("T-shirt/top", "T-shirt-top")
    report = service.http.get(f"{service.audit(labels, kit.archive)}/report").json()
    assert report["evidence"] == "cross_validated"
    assert any("does not know all classes of this file (not 'T-shirt-top')" in each for each in report["warnings"])
