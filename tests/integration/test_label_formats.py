"""Audits of labels in other people's formats, and their way to other people's tools and back."""

import copy
import csv
import io
import json
import re
import zipfile
from typing import Any

import httpx
import polars as pl
import pytest

ROWS = 24


@pytest.fixture(scope="module")
def labels(kit: Any) -> list[dict[str, str]]:
    """The first rows of the example kit."""
    return list(csv.DictReader(kit.labels.read_text().splitlines()))[:ROWS]


@pytest.fixture(scope="module")
def reference(service: Any, kit: Any, labels: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What an audit of their CSV says."""
    text = "image,label\n" + "".join(f"{row['image']},{row['label']}\n" for row in labels)
    return answers(service, service.audit(text, kit.archive))


def answers(service: Any, location: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = service.http.get(f"{location}/rows", params={"sort": "row", "limit": 1000}).json()[
        "rows"
    ]
    return rows


def scores(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in ("status", "log_odds", "flagged", "suggested_label", "kind")) for row in rows]


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def post(service: Any, files: dict[str, tuple[str, bytes]], **fields: str) -> httpx.Response:
    answer: httpx.Response = service.http.post("/v1/audits", files=files, data=fields)
    return answer


def audited(service: Any, files: dict[str, tuple[str, bytes]], **fields: str) -> str:
    answer = post(service, files, **fields)
    assert answer.status_code == 202, answer.text
    location: str = answer.headers["Location"]
    state = service.ended(location)
    assert state["status"] == "succeeded", state
    return location


def coco(labels: list[dict[str, str]]) -> dict[str, Any]:
    classes = sorted({row["label"] for row in labels})
    return {
        "info": {"description": "Fashion-MNIST", "year": 2017},
        "licenses": [{"id": 1, "name": "MIT"}],
        "images": [
            {"id": 1000 + k, "file_name": row["image"], "width": 28, "height": 28, "license": 1}
            for k, row in enumerate(labels)
        ],
        "annotations": [
            {"id": k, "image_id": 1000 + k, "category_id": classes.index(row["label"]), "iscrowd": 0}
            for k, row in reversed(list(enumerate(labels)))
        ],
        "categories": [{"id": k, "name": name, "supercategory": "clothes"} for k, name in enumerate(classes)],
    }


def test_coco_is_audited_like_csv(
    service: Any, kit: Any, labels: list[dict[str, str]], reference: list[dict[str, Any]]
) -> None:
    """The same labels as a COCO file get the same scores, and all that it said of the images comes back in order."""
    document = coco(labels)
    location = audited(
        service, {"labels": ("instances.json", json.dumps(document).encode()), "images": ("i.zip", kit.archive)}
    )
    rows = answers(service, location)
    assert scores(rows) == scores(reference)
    report = service.http.get(f"{location}/report").json()
    assert report["columns"] == {"label": "label", "image": "file_name"}
    exported = service.http.get(f"{location}/export", params={"format": "jsonl"}).text.splitlines()
    for line, image in zip(exported, document["images"], strict=True):
        row = json.loads(line)
        assert {name: row[name] for name in image} == image
        (annotation,) = json.loads(row["annotations"])
        assert annotation in document["annotations"]


def test_folders_of_classes_need_no_label_file(
    service: Any, kit: Any, labels: list[dict[str, str]], reference: list[dict[str, Any]]
) -> None:
    """An archive of one folder a class, uploaded alone, is audited by its folders."""
    trousers = [row for row in labels if "/" not in row["label"]]
    archive = zipped(
        {f"set/train/{row['label']}/{row['image']}": kit.images.joinpath(row["image"]).read_bytes() for row in trousers}
        | {"set/train/ReadMe.txt": b"hello"}
    )
    location = audited(service, {"images": ("fashion.zip", archive)}, evidence="reference")
    rows = answers(service, location)
    by_image = {row["image"]: row for row in reference}
    assert [row["image"] for row in rows] == sorted(row["image"] for row in rows)
    assert len(rows) == len(trousers)
    for row in rows:
        name = row["image"].rsplit("/", 1)[-1]
        assert row["label"] == by_image[name]["label"]
        assert row["log_odds"] is not None
    assert service.http.get(f"{location}/rows/0/image").status_code == 200
    warnings = service.http.get(f"{location}/report").json()["warnings"]
    assert any("'set/train/ReadMe.txt'" in warning for warning in warnings)


def test_a_mounted_folder_of_classes_needs_no_upload(start_service: Any, kit: Any, tmp_path: Any) -> None:
    """The name of a mounted folder of class folders alone is an audit."""
    for number, name in enumerate(("Coat", "Trouser")):
        (tmp_path / "mounts" / "clothes" / name).mkdir(parents=True)
        (tmp_path / "mounts" / "clothes" / name / "x.png").write_bytes(kit.image(number).read_bytes())
    with start_service(tmp_path / "data", datasets_dir=tmp_path / "mounts") as service:
        location = audited(service, {"dataset": (None, b"clothes")})  # type: ignore[dict-item]
        assert [row["label"] for row in answers(service, location)] == ["Coat", "Trouser"]


def test_imagefolder_metadata_is_found_among_the_images(
    service: Any, kit: Any, labels: list[dict[str, str]], reference: list[dict[str, Any]]
) -> None:
    """Hugging Face's metadata.csv inside the archive is the label file, with its columns, names and all."""
    table = pl.DataFrame(
        {
            "file_name": [row["image"] for row in labels],
            "label": [row["label"] for row in labels],
            "caption": [f"a {row['label']}, maybe" for row in labels],
        }
    )
    files = {f"data/{row['image']}": kit.images.joinpath(row["image"]).read_bytes() for row in labels}
    archive = zipped(files | {"data/metadata.csv": table.write_csv().encode()})
    location = audited(service, {"images": ("i.zip", archive)})
    rows = answers(service, location)
    assert scores(rows) == scores(reference)
    assert [row["caption"] for row in rows] == table["caption"].to_list()
    alone = {"labels": ("metadata.csv", table.write_csv().encode()), "images": ("i.zip", zipped(files))}
    assert scores(answers(service, audited(service, alone))) == scores(reference)


def test_columns_and_separators_are_found_and_told(
    service: Any, kit: Any, labels: list[dict[str, str]], reference: list[dict[str, Any]]
) -> None:
    """A spreadsheet's UTF-16 with semicolons and names of its own is audited, and the report says what was guessed."""
    text = "Dateiname;file_name;Class;price\r\n" + "".join(f"x;{row['image']};{row['label']};0,5\r\n" for row in labels)
    location = audited(service, {"labels": ("export.csv", text.encode("utf-16")), "images": ("i.zip", kit.archive)})
    assert scores(answers(service, location)) == scores(reference)
    report = service.http.get(f"{location}/report").json()
    assert report["columns"] == {"label": "Class", "image": "file_name"}
    told = "\n".join(report["warnings"])
    assert all(word in told for word in ("';'", "'Class'", "'file_name'"))


# Label Studio


def export(service: Any, location: str, **query: str) -> Any:
    answer = service.http.get(f"{location}/export", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()


def choice_of(made: dict[str, Any]) -> str:
    (answer,) = made["result"]
    assert (answer["type"], answer["from_name"], answer["to_name"]) == ("choices", "label", "image")
    (label,) = answer["value"]["choices"]
    assert isinstance(label, str)
    return label


def as_label_studio_exports(task: dict[str, Any], number: int, choice: str | None) -> dict[str, Any]:
    """A task of an export, imported, maybe annotated, and exported by Label Studio 1.x."""
    annotation = {
        "id": number,
        "completed_by": 1,
        "result": [
            {
                "id": "Dx_aB91ISN",
                "type": "choices",
                "value": {"choices": [choice]},
                "origin": "prediction",
                "to_name": "image",
                "from_name": "label",
            }
        ],
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2024-05-02T09:31:03.412913Z",
        "lead_time": 3.1,
        "task": number,
        "project": 5,
    }
    return {
        "id": number,
        "annotations": [annotation] if choice else task["annotations"],
        "file_upload": "0a1b2c3d-tasks.json",
        "drafts": [],
        "predictions": [10 * number + k for k in range(len(task["predictions"]))],
        "data": copy.deepcopy(task["data"]),
        "meta": task["meta"],
        "created_at": "2024-05-01T12:00:00.000000Z",
        "inner_id": number,
        "total_annotations": int(bool(choice)),
    }


@pytest.fixture(scope="module")
def location(service: Any, kit: Any, labels: list[dict[str, str]]) -> str:
    """The audit of a CSV with a column of its own and a row that can't be judged."""
    text = "image,label,note\n" + "".join(f"{row['image']},{row['label']},=n{k}\n" for k, row in enumerate(labels))
    return audited(
        service, {"labels": ("l.csv", f"{text}nowhere.png,Sock,last\n".encode()), "images": ("i.zip", kit.archive)}
    )


def test_tasks_ask_about_every_row(service: Any, location: str) -> None:
    """Each row is a task with its image, given and believed label, score, all its columns, and where it comes from."""
    tasks = export(service, location, format="label-studio")
    rows = answers(service, location)
    assert len(tasks) == len(rows) == ROWS + 1
    for number, (task, row) in enumerate(zip(tasks[:-1], rows[:-1], strict=True)):
        given, believed = task["predictions"]
        assert (given["model_version"], choice_of(given), "score" in given) == ("given", row["label"], False)
        assert (believed["model_version"], believed["score"]) == ("lookalike", row["p_wrong"])
        assert choice_of(believed) == (row["suggested_label"] if row["flagged"] else row["label"])
        assert task["annotations"] == []
        assert task["data"]["image"] == f"/data/local-files/?d={row['image']}"
        assert task["data"]["note"] == f"=n{number}"
        assert task["data"]["p_wrong"] == row["p_wrong"]
        assert task["meta"] == {"audit": location.rsplit("/", 1)[-1], "row": number}
    assert tasks[-1]["predictions"] == []
    assert (tasks[-1]["data"]["status"], tasks[-1]["data"]["given_label"]) == ("unknown_label", "Sock")


def test_the_place_of_the_images_can_be_chosen(service: Any, location: str) -> None:
    """``image_root`` comes before the names, and the next root is not answered with the last one's file."""
    for root in ("https://images.example/a/", "s3://bucket/"):
        tasks = export(service, location, format="label-studio", image_root=root)
        assert tasks[0]["data"]["image"] == f"{root}000.png"


def test_a_review_in_label_studio_comes_back_as_trusted_labels(
    service: Any, kit: Any, location: str, labels: list[dict[str, str]]
) -> None:
    """Tasks annotated there are read as verified labels with what they said before; the others are as they were."""
    tasks = export(service, location, format="label-studio")
    reviewed = {0: tasks[0]["data"]["suggested_label"], 3: labels[3]["label"]}
    back = [as_label_studio_exports(task, number + 1, reviewed.get(number)) for number, task in enumerate(tasks)]
    again = audited(
        service, {"labels": ("project-5.json", json.dumps(back).encode()), "images": ("i.zip", kit.archive)}
    )
    rows = answers(service, again)
    for number, (row, given) in enumerate(zip(rows, labels, strict=False)):
        assert row["label"] == reviewed.get(number, given["label"])
        assert row["trusted"] == (number in reviewed)
        assert row["original_label"] == (given["label"] if number in reviewed else None)
        assert row["note"] == f"=n{number}"
        assert row["status"] == "scored"
        assert not (row["flagged"] and number in reviewed)
    assert rows[-1]["status"] == "unknown_label"
    assert service.http.get(f"{again}/report").json()["columns"] == {"label": "label", "image": "image"}
    assert service.http.get(f"{again}/rows/2/image").status_code == 200
    once_more = export(service, again, format="label-studio")
    assert [choice_of(each["annotations"][0]) for each in (once_more[0], once_more[3])] == [reviewed[0], reviewed[3]]
    assert [task["data"]["image"] for task in once_more] == [task["data"]["image"] for task in tasks]


def test_decisions_taken_here_are_annotations_there(service: Any, location: str) -> None:
    """``labels=reviewed`` makes an annotation of what was decided, and the rest stays to be done."""
    (row,) = [row for row in answers(service, location) if row["row"] == 5]
    decision = {"decision": "relabel", "label": row["suggested_label"]}
    assert service.http.patch(f"{location}/rows/5", json=decision).status_code == 200
    tasks = export(service, location, format="label-studio", labels="reviewed")
    assert [number for number, task in enumerate(tasks) if task["annotations"]] == [5]
    assert choice_of(tasks[5]["annotations"][0]) == row["suggested_label"]
    assert tasks[5]["data"]["given_label"] == tasks[5]["data"]["original_label"] == row["label"]
    assert export(service, location, format="label-studio")[5]["annotations"] == []


def test_labels_made_in_label_studio_are_audited(
    service: Any, kit: Any, labels: list[dict[str, str]], reference: list[dict[str, Any]]
) -> None:
    """An export of a project that was annotated from nothing has labels to doubt, in whatever way it names images."""
    made = [
        as_label_studio_exports(
            {"predictions": [], "annotations": [], "meta": {}, "data": {"image": url}}, number, row["label"]
        )
        for number, (url, row) in enumerate(
            zip(
                (
                    f"/data/upload/5/0a1b2c3d-{row['image']}"
                    if number % 2
                    else f"https://files.example/sets/fashion/{row['image']}?token=x"
                    for number, row in enumerate(labels)
                ),
                labels,
                strict=True,
            )
        )
    ]
    again = audited(service, {"labels": ("p.json", json.dumps(made).encode()), "images": ("i.zip", kit.archive)})
    assert scores(answers(service, again)) == scores(reference)
    assert export(service, again, format="label-studio")[1]["data"]["image"] == made[1]["data"]["image"]


# FiftyOne


def test_samples_carry_the_answers(service: Any, location: str) -> None:
    """Each row with an image is a sample with its labels, scores, tags, and the input's columns as JSON."""
    samples = export(service, location, format="fiftyone")["samples"]
    rows = answers(service, location)
    for sample, row in zip(samples, rows, strict=True):
        assert sample["filepath"] == row["image"]
        assert sample["ground_truth"] == {"_cls": "Classification", "label": row["label"]}
        assert sample["tags"] == (["flagged"] if row["flagged"] else [])
        assert {name: sample[name] for name in ("row", "status", "p_wrong", "log_odds", "kind")} == {
            name: row[name] for name in ("row", "status", "p_wrong", "log_odds", "kind")
        }
        assert json.loads(sample["columns"]) == {name: row[name] for name in ("image", "label", "note")}
        assert all(re.fullmatch("[a-z][a-z_]*", name) for name in sample)


def test_tools_that_show_images_need_some(service: Any) -> None:
    """An audit without images is no export for these tools: 422 says so."""
    text = "label,prob_a,prob_b\n" + "a,0.9,0.1\nb,0.2,0.8\n" * 10
    location = audited(service, {"labels": ("l.csv", text.encode())})
    for form in ("label-studio", "fiftyone"):
        answer = service.http.get(f"{location}/export", params={"format": form})
        assert (answer.status_code, answer.json()["code"]) == (422, "audit_impossible")


# Hostile uploads

HOSTILE = {
    "deep": (b"[" * 10**6, "nested too deeply"),
    "masses of keys": (b"[{" + b",".join(b'"k%d":1' % k for k in range(20_000)) + b"}]", "20000 columns"),
    "endless number": (b'[{"label": ' + b"9" * 10**6 + b"}]", "not JSON"),
    "no such category": (
        json.dumps(coco([]) | {"images": [{"id": 1}], "annotations": [{"image_id": 1, "category_id": 5}]}).encode(),
        "category_id 5",
    ),
    "the same id": (json.dumps(coco([]) | {"images": [{"id": 1}, {"id": 1}]}).encode(), "the id 1 of an earlier one"),
    "something else": (b'{"label": "a"}', "neither COCO"),
    "a spreadsheet": (b"PK\x03\x04", "save it as CSV"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_fails_its_audit_alone(service: Any, kit: Any, name: str) -> None:
    """JSON that is made to hurt ends its audit with what is wrong, and the service answers on."""
    content, message = HOSTILE[name]
    answer = post(service, {"labels": ("l.json", content), "images": ("i.zip", kit.archive)})
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert message in state["error"]
    assert len(state["error"]) < 1000
    assert service.classify(kit.image(0).read_bytes()).status_code == 200


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a/b/1.png": b"", "c/2.png": b""}, "different depth"),
        ({f"{'d/' * 50}1.png": b""}, "folders in folders"),
        ({"../1.png": b"", "/etc/2.png": b""}, "there is no image"),
        ({"metadata.csv": b"file_name,caption\n1.png,x\n"}, "there is no column 'label'"),
        ({}, "there is no image"),
    ],
)
def test_hostile_folders_fail_their_audit_alone(service: Any, files: dict[str, bytes], message: str) -> None:
    """Archives whose folders say nothing, or lead out, end their audit with what is wrong."""
    answer = post(service, {"images": ("i.zip", zipped(files))})
    state = service.ended(answer.headers["Location"])
    assert state["status"] == "failed"
    assert "i.zip" in state["error"]
    assert message in state["error"]


def test_a_name_in_json_reads_nothing_outside(service: Any, kit: Any, labels: list[dict[str, str]]) -> None:
    """File names of COCO and URLs of Label Studio that climb out of the images are missing images."""
    document = coco(labels)
    document["images"][0]["file_name"] = "../../../../etc/passwd"
    document["images"][1]["file_name"] = "file:///etc/passwd"
    location = audited(service, {"labels": ("c.json", json.dumps(document).encode()), "images": ("i.zip", kit.archive)})
    assert [row["status"] for row in answers(service, location)[:3]] == ["missing_image", "missing_image", "scored"]
