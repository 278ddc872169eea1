"""A review over HTTP: pages by pair, blind controls, evidence, agreement and what is left."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Connection, event


@pytest.fixture
def audited(service: Any, kit: Any) -> str:
    """A finished audit of the kit, of one's own."""
    location: str = service.audit(kit.labels.read_bytes(), kit.archive)
    return location


@pytest.fixture(scope="module")
def untouched(service: Any, kit: Any) -> str:
    """A finished audit of the kit that nobody decides about."""
    location: str = service.audit(kit.labels.read_bytes(), kit.archive)
    return location


def get(service: Any, path: str, **query: Any) -> Any:
    answer = service.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def decide(service: Any, location: str, row: int, version: int = 0, **decision: Any) -> Any:
    headers = {"If-Match": f'"{version}"'}
    return service.http.patch(f"{location}/rows/{row}", json=decision, headers=headers)


def all_rows(service: Any, location: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = "0"
    while cursor is not None:
        page = get(service, f"{location}/rows", limit=37, cursor=cursor, **query)
        rows += page["rows"]
        cursor = page["next_cursor"]
    return rows


def test_pairs_count_the_flagged_rows(service: Any, untouched: str) -> None:
    """The pairs hold all flagged rows, the largest first, and each page of a pair has exactly its rows."""
    pairs = get(service, f"{untouched}/pairs")["pairs"]
    assert sum(pair["rows"] for pair in pairs) == get(service, f"{untouched}/report")["flagged"]
    assert [pair["rows"] for pair in pairs] == sorted((pair["rows"] for pair in pairs), reverse=True)
    largest = pairs[0]
    query = {"class": largest["given_label"], "suggested": largest["suggested_label"], "flagged": True}
    rows = all_rows(service, untouched, **query)
    assert len(rows) == largest["rows"]
    assert sum(row["p_wrong"] for row in rows) == pytest.approx(largest["expected_wrong"])


@pytest.mark.parametrize("sort", ["log_odds", "row"])
def test_answers_alone_say_what_whole_rows_say(service: Any, untouched: str, sort: str) -> None:
    """With `columns=answers` the same rows come in the same order with the same answers, in either order."""
    whole, alone = (all_rows(service, untouched, sort=sort, columns=columns) for columns in ("all", "answers"))
    assert len(whole) == 600
    for row, answers in zip(whole, alone, strict=True):
        assert answers["given_label"] == row["label"]
        shared = answers.keys() & row.keys()
        assert {name: answers[name] for name in shared} == {name: row[name] for name in shared}


def test_a_page_begins_where_the_last_ended(service: Any, audited: str) -> None:
    """Rows that are decided between two pages of undecided ones let no other row be skipped."""
    first = get(service, f"{audited}/rows", decision="none", limit=20)
    for row in first["rows"]:
        decide(service, audited, row["row"], decision="keep")
    second = get(service, f"{audited}/rows", decision="none", limit=20, cursor=first["next_cursor"])
    everything = [row["row"] for row in all_rows(service, audited)]
    assert [row["row"] for row in first["rows"] + second["rows"]] == everything[:40]


def test_a_label_that_is_no_class_is_found(service: Any, kit: Any) -> None:
    """Rows of a label that the model doesn't know can be looked at too."""
    labels = "image,label\n" + "".join(f"{i:03}.png,{'Shrit' if i == 7 else 'Coat'}\n" for i in range(40))
    location = service.audit(labels, kit.archive)
    assert [row["row"] for row in get(service, f"{location}/rows", **{"class": "Shrit"})["rows"]] == [7]


def test_a_decision_is_taken_back(service: Any, audited: str) -> None:
    """A row whose decision was taken back is undecided again, and neither exported as reviewed nor trusted."""
    assert decide(service, audited, 4, decision="relabel", label="Bag").status_code == 200
    back = decide(service, audited, 4, 1, decision="undecided")
    assert (back.status_code, back.headers["ETag"]) == (200, '"2"')
    assert len(all_rows(service, audited, decision="none")) == 600
    assert not all_rows(service, audited, decision="any")
    exported = service.http.get(f"{audited}/export", params={"format": "jsonl", "labels": "reviewed"}).text
    row = json.loads(exported.splitlines()[4])
    assert row["label"] == row["original_label"]
    assert not row["trusted"]


def test_controls_look_like_rows(service: Any, audited: str) -> None:
    """With controls a page has the same rows and a few more, which have a picture, evidence and the same fields."""
    query = {"flagged": True, "columns": "answers"}
    rows = all_rows(service, audited, **query)
    mixed = all_rows(service, audited, controls=True, **query)
    controls = [row for row in mixed if row["row"] >= 600]
    assert [row for row in mixed if row["row"] < 600] == rows
    assert controls
    assert {frozenset(row) for row in controls} == {frozenset(row) for row in rows}
    for control in controls[:4]:
        assert control["given_label"] != control["suggested_label"]
        assert service.http.get(f"{audited}/rows/{control['row']}/image").status_code == 200
        evidence = get(service, f"{audited}/rows/{control['row']}/evidence")
        seen = evidence["probabilities"]
        assert seen.get(control["suggested_label"], 0) > seen.get(control["given_label"], 0), "it gives itself away"


def test_controls_leak_nowhere(service: Any, audited: str) -> None:
    """What is decided about controls is in no export, and scoring again doesn't hear of it."""
    mixed = all_rows(service, audited, controls=True, columns="answers", flagged=True)
    controls = [row["row"] for row in mixed if row["row"] >= 600]
    before = service.http.get(f"{audited}/export", params={"labels": "reviewed", "format": "csv"}).text
    many = [{"row": row, "decision": "keep", "author": "ann"} for row in controls]
    assert len(service.http.post(f"{audited}/decisions", json={"decisions": many}).json()["taken"]) == len(controls)
    assert service.http.get(f"{audited}/export", params={"labels": "reviewed", "format": "csv"}).text == before
    report = get(service, f"{audited}/report")
    assert service.http.post(f"{audited}/rescore").status_code == 202
    assert service.ended(audited)["status"] == "succeeded"
    assert get(service, f"{audited}/report") == report
    still = all_rows(service, audited, controls=True, columns="answers", flagged=True, decision="any")
    assert sorted(row["row"] for row in still) == sorted(controls), "controls outlive a re-scoring"


def test_no_control_gives_itself_away_after_scoring_again(service: Any, audited: str) -> None:
    """Once the rows that controls follow were decided and scored again, these controls are not shown any more."""
    query = {"controls": True, "columns": "answers", "flagged": True}
    mixed = all_rows(service, audited, **query)
    keep = [{"row": row["row"], "decision": "keep"} for row in mixed if row["row"] < 600]
    assert service.http.post(f"{audited}/decisions", json={"decisions": keep}).status_code == 200
    assert service.http.post(f"{audited}/rescore").status_code == 202
    assert service.ended(audited)["status"] == "succeeded"
    assert len(mixed) > len(keep)
    assert all(row["flagged"] for row in all_rows(service, audited, **query))


def test_who_judges_controls_rightly_has_a_hit_rate(service: Any, audited: str, kit: Any) -> None:
    """Ann knows every image and has a hit rate near 1; Bob takes every suggestion and so has the planted ones."""
    truth = dict(pl.read_csv(kit.truth).select("image", "label").iter_rows())
    images = pl.read_csv(kit.labels)["image"].to_list()
    pictures = {service.http.get(f"{audited}/rows/{row}/image").content: truth[images[row]] for row in range(600)}
    mixed = all_rows(service, audited, controls=True, columns="answers", flagged=True)
    controls = [row for row in mixed if row["row"] >= 600]
    for row in controls:
        right = pictures[service.http.get(f"{audited}/rows/{row['row']}/image").content]
        kept = right == row["given_label"]
        ann = {"decision": "keep"} if kept else {"decision": "relabel", "label": right}
        decide(service, audited, row["row"], 0, author="ann", **ann)
        decide(service, audited, row["row"], 1, author="bob", decision="relabel", label=row["suggested_label"])
    found = {each["author"]: each for each in get(service, f"{audited}/review")["reviewers"]}
    ann, bob = found["ann"], found["bob"]
    assert ann["right_shown"] + ann["planted_shown"] == len(controls)
    assert ann["hit_rate"]["estimate"] > 0.9
    assert (bob["right_kept"], bob["planted_found"]) == (0, bob["planted_shown"])
    assert bob["hit_rate"]["low"] < bob["planted_shown"] / len(controls) < bob["hit_rate"]["high"]
    assert ann["decisions"] == bob["decisions"] == 0, "controls are no rows"


def test_agreement_is_counted_where_two_judged(service: Any, audited: str) -> None:
    """Each person's last word on a row counts; rows of one person alone say nothing of agreement."""
    decide(service, audited, 1, decision="keep", author="ann")
    decide(service, audited, 1, 1, decision="keep", author="bob")
    decide(service, audited, 2, decision="keep", author="ann")
    decide(service, audited, 2, 1, decision="relabel", label="Bag", author="bob")
    decide(service, audited, 3, decision="keep", author="ann")
    decide(service, audited, 3, 1, decision="unsure", author="ann")
    agreement = get(service, f"{audited}/review")["agreement"]
    assert (agreement["rows"], agreement["agreed"], agreement["share"]["estimate"]) == (2, 1, 0.5)


def test_what_is_left_follows_what_was_found(service: Any, audited: str, kit: Any) -> None:
    """The outlook on the rest shrinks with the review, and its interval holds the wrong labels that are left indeed."""
    truth = pl.read_csv(kit.truth)["label"].to_list()
    before = get(service, f"{audited}/review", ahead=50)
    assert before["next"]["rows"] == 50
    assert before["left"]["rows"] == 600
    reported = get(service, f"{audited}/report")["noise_rate"]
    assert before["left"]["wrong"]["low"] <= 600 * reported["low"]
    assert before["left"]["wrong"]["high"] >= 600 * reported["high"]
    rows = all_rows(service, audited)[:100]
    for row in rows:
        right = truth[row["row"]]
        verdict = {"decision": "keep"} if row["label"] == right else {"decision": "relabel", "label": right}
        decide(service, audited, row["row"], **verdict)
    after = get(service, f"{audited}/review", ahead=50)
    assert after["left"]["rows"] == 500
    assert after["left"]["wrong"]["estimate"] < before["left"]["wrong"]["estimate"]
    given = pl.read_csv(kit.labels)["label"].to_list()
    reviewed = {row["row"] for row in rows}
    left = sum(given[row] != truth[row] for row in range(600) if row not in reviewed)
    assert after["left"]["wrong"]["low"] <= left <= after["left"]["wrong"]["high"]
    assert after["decided"]["keep"] + after["decided"]["relabel"] == 100
    assert after["flagged_left"] == before["flagged"] - sum(bool(row["flagged"]) for row in rows)


def test_a_clean_file_is_not_known_to_be_so_by_its_review(service: Any, kit: Any) -> None:
    """Where the report says that some labels may be wrong, the outlook does too, until enough has been looked at."""
    clean = service.audit(kit.truth.read_bytes(), kit.archive)
    reported = get(service, f"{clean}/report")["noise_rate"]
    assert 600 * reported["high"] > 10
    assert get(service, f"{clean}/review")["left"]["wrong"]["high"] >= 600 * reported["high"]


def test_it_is_told_whether_scoring_again_would_change_anything(service: Any, audited: str) -> None:
    """Answers know no decisions at first, all once they were scored again, and not what was changed since."""
    assert get(service, f"{audited}/review")["scored"]
    row = all_rows(service, audited)[0]
    decide(service, audited, row["row"], decision="relabel", label=row["suggested_label"])
    assert not get(service, f"{audited}/review")["scored"]
    assert service.http.post(f"{audited}/rescore").status_code == 202
    assert service.ended(audited)["status"] == "succeeded"
    assert get(service, f"{audited}/review")["scored"]
    decide(service, audited, row["row"], 1, decision="keep")
    assert not get(service, f"{audited}/review")["scored"]


def test_a_row_comes_with_evidence(service: Any, untouched: str) -> None:
    """The model's distribution sums to 1 or less, and the examples are sure rows of both classes."""
    row = all_rows(service, untouched, flagged=True, columns="answers")[0]
    evidence = get(service, f"{untouched}/rows/{row['row']}/evidence", examples=3)
    assert 0.9 < sum(evidence["probabilities"].values()) <= 1.0001
    assert evidence["groups"][0]["probability"] <= 1.0001
    assert list(evidence["examples"]) == [row["given_label"], row["suggested_label"]]
    by_number = {each["row"]: each for each in all_rows(service, untouched)}
    for label, rows in evidence["examples"].items():
        assert len(rows) == 3
        assert row["row"] not in rows
        for each in rows:
            assert by_number[each]["label"] == label
            assert by_number[each]["p_wrong"] < 0.02


def test_a_picture_is_not_sent_twice(service: Any, untouched: str) -> None:
    """Who names a picture by its ETag is told that it is still the same; another size is another picture."""
    picture = service.http.get(f"{untouched}/rows/0/image", params={"size": 8})
    again = service.http.get(
        f"{untouched}/rows/0/image", params={"size": 8}, headers={"If-None-Match": picture.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    whole = service.http.get(f"{untouched}/rows/0/image", headers={"If-None-Match": picture.headers["ETag"]})
    assert whole.status_code == 200


def test_evidence_of_no_row_is_refused(service: Any, untouched: str) -> None:
    """A row that there is not has no evidence."""
    answer = service.http.get(f"{untouched}/rows/600/evidence")
    assert (answer.status_code, answer.json()["code"]) == (404, "row_not_found")


def test_what_was_scored_again_keeps_its_correction(service: Any, audited: str) -> None:
    """After scoring again a corrected row suggests its correction, and nobody looks at it a second time."""
    rows = all_rows(service, audited, columns="answers")[:100]
    many = [
        {"row": row["row"], "decision": "relabel", "label": row["suggested_label"], "author": "ann"} for row in rows
    ]
    assert service.http.post(f"{audited}/decisions", json={"decisions": many}).status_code == 200
    look = {"second_look": True, "author": "bob", "columns": "answers"}
    assert all_rows(service, audited, **look)
    assert service.http.post(f"{audited}/rescore").status_code == 202
    assert service.ended(audited)["status"] == "succeeded"
    corrected = {each["row"]: each["label"] for each in many}
    after = {row["row"]: row for row in all_rows(service, audited, columns="answers", decision="relabel")}
    assert {row: after[row]["suggested_label"] for row in corrected} == corrected
    assert [after[row["row"]]["given_label"] for row in rows] == [row["given_label"] for row in rows]
    assert all_rows(service, audited, **look) == []


def test_answers_outlive_a_second_scoring_that_is_cancelled(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Who cancels `Score again` keeps the report, which says that the answers are those of before."""
    with start_service(tmp_path) as service:
        audited = service.audit(kit.labels.read_bytes(), kit.archive)
    with start_service(tmp_path, worker="off") as service:
        decide(service, audited, 0, decision="keep")
        assert service.http.post(f"{audited}/rescore").status_code == 202
        page = audited.replace("/v1", "")
        assert "answers of before" in service.http.get(page, headers={"Accept": "text/html"}).text
        assert service.http.post(f"{audited}/cancel").status_code == 200
        report = service.http.get(page, headers={"Accept": "text/html"}).text
        assert "Scoring again was cancelled" in report
        assert 'id="report"' in report


def test_an_export_taken_while_scoring_again_is_not_kept(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """What is exported before the new answers are there is of the old ones; afterwards the same export has the new."""
    with start_service(tmp_path) as service:
        audited = service.audit(kit.labels.read_bytes(), kit.archive)
    with start_service(tmp_path, worker="off") as service:
        for row in all_rows(service, audited, columns="answers", flagged=True)[:5]:
            decide(service, audited, row["row"], decision="keep")
        assert service.http.post(f"{audited}/rescore").status_code == 202
        early = service.exported(audited, "csv", "suggested")
    with start_service(tmp_path) as service:
        assert service.ended(audited)["status"] == "succeeded"
        columns, rows = service.exported(audited, "csv", "suggested")
        flagged = sum(row[columns.index("flagged")] == "true" for row in rows)
        assert flagged == get(service, f"{audited}/report")["flagged"]
        assert (columns, rows) != early


def test_decisions_that_find_no_room_are_refused_as_such(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """A full database is no defect: whoever decides is told that there is no room, and none of it is taken."""
    many = [{"row": row, "decision": "keep", "author": "a" * 100} for row in range(600)]
    with start_service(tmp_path) as service:
        audited = service.audit(kit.labels.read_bytes(), kit.archive)
        engine = service.services.audits.decisions.engine

        def fill(connection: Connection) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes it for those that there are

        event.listen(engine, "begin", fill)
        refused = service.http.post(f"{audited}/decisions", json={"decisions": many})
        assert (refused.status_code, refused.json()["code"]) == (507, "no_room")
        assert all_rows(service, audited, decision="any") == []


def test_of_many_decisions_none_is_taken_where_one_makes_no_sense(service: Any, audited: str) -> None:
    """A version of a row that nobody decided about refuses the whole request, and what was sent can be sent again."""
    many = [{"row": 1, "decision": "keep"}, {"row": 2, "decision": "keep", "version": 7}]
    refused = service.http.post(f"{audited}/decisions", json={"decisions": many})
    assert (refused.status_code, refused.json()["code"]) == (422, "decision")
    assert all_rows(service, audited, decision="any") == []
