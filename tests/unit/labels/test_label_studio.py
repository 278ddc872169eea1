"""Label Studio's tasks, read and written."""

import json
from pathlib import Path
from typing import Any

import pytest

from labels.errors import LabelFileError
from labels.formats.label_studio_task import image_url, task
from labels.images.names import normalise_name
from labels.images.references import is_reference
from labels.label_file import LabelFile, read_label_file


def answer(*choices: str, control: str = "choice") -> dict[str, Any]:
    return {
        "id": "Dx_aB91ISN",
        "type": "choices",
        "value": {"choices": list(choices)},
        "origin": "manual",
        "to_name": "image",
        "from_name": control,
    }


def annotation(*answers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An annotation as Label Studio 1.x exports it."""
    return {
        "id": 41,
        "completed_by": 1,
        "result": list(answers),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2024-05-02T09:31:03.412913Z",
        "updated_at": "2024-05-02T09:31:03.412931Z",
        "draft_created_at": None,
        "lead_time": 4.288,
        "prediction": {},
        "result_count": 1,
        "unique_id": "5d2c2f0e-7a3b-4b44-9f5b-3f5a54d0c1a7",
        "import_id": None,
        "last_action": None,
        "task": 1,
        "project": 83,
        "updated_by": 1,
    } | fields


def exported(number: int, *annotations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A task as Label Studio 1.x exports it."""
    return {
        "id": number,
        "annotations": list(annotations),
        "file_upload": "1a2b3c4d-shirt.png",
        "drafts": [],
        "predictions": [],
        "data": {"image": f"/data/upload/83/1a2b3c4d-{number}.png"},
        "meta": {},
        "created_at": "2024-05-01T12:00:00.000000Z",
        "updated_at": "2024-05-02T09:31:03.443182Z",
        "inner_id": number,
        "total_annotations": len(annotations),
        "cancelled_annotations": 0,
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": 83,
        "updated_by": 1,
        "comment_authors": [],
    } | fields


def read(folder: Path, tasks: list[Any], **options: str) -> LabelFile:
    path = folder / "tasks.json"
    path.write_text(json.dumps(tasks))
    return read_label_file(path, **options)


def test_the_choice_is_the_label(tmp_path: Path) -> None:
    """One row a task, in order; the control's name is the column's, and nothing is taken for verified."""
    file = read(
        tmp_path, [exported(1, annotation(answer("Coat"))), exported(2), exported(3, annotation(answer("Bag")))]
    )
    assert (file.format, file.label_column, file.image_column) == ("label-studio", "choice", "image")
    assert file.given == ["Coat", None, "Bag"]
    assert file.images[0] == "/data/upload/83/1a2b3c4d-1.png"
    assert not file.trusted.any()
    assert file.warnings == ()


def test_every_field_of_a_task_stays(tmp_path: Path) -> None:
    """Fields of the data and of the task are columns, lists and objects as JSON that says what they said."""
    tasks = [exported(1, annotation(answer("Coat")), data={"image": "a.png", "note": "x", "box": [1, {"y": None}]})]
    (row,) = read(tmp_path, tasks).table.iter_rows(named=True)
    for name, value in (tasks[0] | tasks[0]["data"]).items():
        if name != "data":
            assert row[name] == (json.dumps(value) if isinstance(value, list | dict) else value), name


@pytest.mark.parametrize(
    ("annotations", "label"),
    [
        ([annotation(answer("Coat")), annotation(answer("Coat"), id=2)], "Coat"),
        ([annotation(answer("Coat")), annotation(answer("Bag"), id=2)], None),
        ([annotation(answer("Coat", "Bag"))], None),
        ([annotation(answer("Coat")), annotation(answer("Bag"), was_cancelled=True)], "Coat"),
        ([annotation(), annotation(answer("Bag"))], "Bag"),
        ([annotation(answer())], None),
        ([annotation({"type": "textarea", "from_name": "why", "value": {"text": ["?"]}}, answer("Bag"))], "Bag"),
    ],
)
def test_annotations_must_agree(tmp_path: Path, annotations: list[dict[str, Any]], label: str | None) -> None:
    """People who disagree, or choose several, give no label; what was skipped or left empty doesn't count."""
    file = read(tmp_path, [exported(1, *annotations), exported(2, annotation(answer("Shirt")))])
    assert file.given == [label, "Shirt"]
    disagree = label is None and any(each["result"][0]["value"].get("choices") for each in annotations)
    assert bool(file.warnings) == disagree


def test_predictions_are_labels_where_nobody_annotated(tmp_path: Path) -> None:
    """Tasks with predictions alone are audited by these, with a warning; one annotation, and they no longer count."""
    predicted = [{"model_version": "v1", "score": 0.9, "result": [answer("Coat")]}]
    file = read(tmp_path, [exported(1, predictions=predicted), exported(2)])
    assert file.given == ["Coat", None]
    assert "predictions" in file.warnings[0]
    one_annotated = [exported(1, predictions=predicted), exported(2, annotation(answer("Bag")), predictions=[7, 8])]
    assert read(tmp_path, one_annotated).given == [None, "Bag"]


def test_predictions_that_are_only_numbered_say_nothing(tmp_path: Path) -> None:
    """An export may name predictions by their ids alone: then the data's own label is what there is."""
    tasks = [exported(1, predictions=[11, 12], data={"image": "a.png", "label": "Coat"})]
    assert read(tmp_path, tasks).given == ["Coat"]


def test_of_several_controls_one_must_be_named(tmp_path: Path) -> None:
    """A page that asks for colour and shape has two label columns; the error names them, the option picks one."""
    tasks = [exported(1, annotation(answer("red", control="colour"), answer("round", control="shape")))]
    with pytest.raises(LabelFileError, match="each of 'colour', 'shape' may hold the labels"):
        read(tmp_path, tasks)
    assert read(tmp_path, tasks, label_column="shape").given == ["round"]


def test_masses_of_controls_are_refused(tmp_path: Path) -> None:
    """One task can't make thousands of columns for all the others."""
    crowded = annotation(*(answer("x", control=f"c{k}") for k in range(101)))
    with pytest.raises(LabelFileError, match="101 controls with choices, at most 100"):
        read(tmp_path, [exported(1, crowded), exported(2)])


def test_a_review_of_given_labels_is_trusted(tmp_path: Path) -> None:
    """Where data has ``given_label``, an annotation verifies or corrects it; without one it is the label still."""
    data = {"image": "a.png", "given_label": "Coat"}
    tasks = [
        exported(1, annotation(answer("Bag", control="label")), data=data),
        exported(2, annotation(answer("Coat", control="label")), data=data),
        exported(3, data=data),
        exported(4, annotation(answer("Bag", "Coat", control="label")), data=data),
        exported(5, annotation(answer("Bag", control="label")), data={"image": "b.png"}),
    ]
    file = read(tmp_path, tasks)
    assert file.given == ["Bag", "Coat", "Coat", None, "Bag"]
    assert file.trusted.tolist() == [True, True, False, False, True]
    assert file.original == ["Coat", "Coat", None, None, None]
    assert read(tmp_path, tasks[2:3]).given == ["Coat"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"annotations": 3}, "task 2: 'annotations' is no list of objects"),
        ({"annotations": [None]}, "task 2: 'annotations' is no list of objects"),
        ({"annotations": [{"result": {"a": 1}}]}, "task 2: 'result' is no list of objects"),
        ({"annotations": [{"result": [{"type": "choices"}]}]}, "task 2: an answer of type choices needs"),
        ({"annotations": [{"result": [answer("x") | {"value": {"choices": [3]}}]}]}, "task 2: an answer of type"),
        ({"annotations": [{"result": [answer("x") | {"from_name": 3}]}]}, "task 2: an answer of type choices needs"),
        ({"data": None}, "there is no column 'label'"),
        ({"meta": json.loads("[" * 60 + "]" * 60)}, "task 2 is nested too deeply"),
        ({"data": {f"k{k}": 1 for k in range(10_001)}}, "columns, at most 10000"),
    ],
)
def test_a_strange_task_is_named(tmp_path: Path, task: dict[str, Any], message: str) -> None:
    """What is no task of Label Studio's is refused with its number."""
    with pytest.raises(LabelFileError) as caught:
        read(tmp_path, [exported(1, annotation(answer("Coat"))), exported(2) | task])
    assert message in str(caught.value)


def make(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "given": "Coat",
        "verified": None,
        "believed": "Bag",
        "p_wrong": 0.75,
        "classes": {"Coat", "Bag"},
        "meta": {"row": 4},
    }
    return task("/data/local-files/?d=a.png", {"file": "a.png", "label": "Coat"}, **(whole | changes))


def test_a_task_asks_about_a_label() -> None:
    """What is given and what the audit believes are predictions, only the latter with a score: tasks sort by it."""
    assert make() == {
        "data": {
            "image": "/data/local-files/?d=a.png",
            "file": "a.png",
            "label": "Coat",
            "given_label": "Coat",
        },
        "annotations": [],
        "predictions": [
            {
                "model_version": "given",
                "result": [
                    {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["Coat"]}}
                ],
            },
            {
                "model_version": "lookalike",
                "score": 0.75,
                "result": [
                    {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["Bag"]}}
                ],
            },
        ],
        "meta": {"row": 4},
    }


def test_a_verified_label_is_an_annotation() -> None:
    """What somebody has seen to counts as done in Label Studio, and what it said before stays beside it."""
    done = make(verified="Bag", given="Coat", believed=None)
    assert done["annotations"][0]["result"][0]["value"]["choices"] == ["Bag"]
    assert done["predictions"] == []
    assert done["data"]["given_label"] == "Coat"


def test_a_choice_that_the_page_lacks_is_not_made() -> None:
    """A label that is no class stays in the data alone: Label Studio would refuse the whole file for it."""
    odd = make(given="Sock", believed="Sock")
    assert (odd["predictions"], odd["annotations"], odd["data"]["given_label"]) == ([], [], "Sock")


def test_columns_called_like_a_tasks_own_go_on() -> None:
    """Columns ``image`` and ``given_label`` of the input stand beside the task's own under new names."""
    data = task(
        "x://a", {"image": "a", "given_label": "z"}, given="g", verified=None, believed=None, p_wrong=None,
        classes=(), meta={},
    )["data"]  # fmt: skip
    assert data == {"image": "x://a", "image_input": "a", "given_label_input": "z", "given_label": "g"}


@pytest.mark.parametrize("name", ["a b.png", "sub/ü&?#%.png", "./a//b.png", "100%.png", "c:x+y=z.png"])
def test_a_url_leads_back_to_the_name(tmp_path: Path, name: str) -> None:
    """Whatever signs a name has, its URL is a reference from which the same name is read again."""
    from labels.images.folder import FolderSource
    from labels.images.references import resolve_references

    normal = normalise_name(name)
    if normal is None:
        return
    (tmp_path / normal).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / normal).touch()
    for root in ("/data/local-files/?d=", "/data/local-files/?d=my/images/", "https://host:80/x/", "s3://bucket/"):
        url = image_url(root, name)
        assert is_reference(url)
        assert resolve_references([url], FolderSource(tmp_path)) == [normal]
