"""COCO files as label files."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from labels.errors import LabelFileError
from labels.formats import table_limits
from labels.label_file import LabelFile, read_label_file

COCO: dict[str, Any] = {
    "info": {"description": "Clothes", "version": "1.0", "year": 2024},
    "licenses": [{"id": 1, "name": "MIT", "url": "https://opensource.org/license/mit"}],
    "images": [
        {"id": 7, "file_name": "b/1.png", "width": 28, "height": 28, "license": 1},
        {"id": 3, "file_name": "a/2.png", "width": 28, "height": 28, "date_captured": "2024-01-01"},
        {"id": 9, "file_name": "c.png", "width": 28, "height": 28},
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 2, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 28, 28]},
        {"id": 3, "image_id": 7, "category_id": 1},
    ],
    "categories": [
        {"id": 1, "name": "Coat", "supercategory": "clothes"},
        {"id": 2, "name": "Shirt", "supercategory": "clothes"},
    ],
}


def changed(**parts: Any) -> dict[str, Any]:
    return copy.deepcopy(COCO) | parts


def read(folder: Path, document: Any, **options: str) -> LabelFile:
    path = folder / "coco.json"
    path.write_text(json.dumps(document))
    return read_label_file(path, **options)


def test_a_row_is_an_image_with_its_category(tmp_path: Path) -> None:
    """Images come in their order, with the category's name for a label, and null where nobody annotated."""
    file = read(tmp_path, COCO)
    assert file.images == ["b/1.png", "a/2.png", "c.png"]
    assert file.given == ["Coat", "Shirt", None]
    assert (file.format, file.label_column, file.image_column) == ("coco", "label", "file_name")
    assert file.warnings == ()


def test_all_fields_of_images_and_annotations_stay(tmp_path: Path) -> None:
    """Each field of an image is a column with its value, and the annotations are there whole, as JSON."""
    table = read(tmp_path, COCO).table
    for row, image in zip(table.iter_rows(named=True), COCO["images"], strict=True):
        assert {name: row[name] for name in image} == image
        assert json.loads(row["annotations"]) == [
            each for each in COCO["annotations"] if each["image_id"] == image["id"]
        ]


def test_several_categories_are_no_label(tmp_path: Path) -> None:
    """An image of two categories keeps its row without a label, and the warning says which rows these are."""
    other = {"id": 4, "image_id": 3, "category_id": 1}
    file = read(tmp_path, changed(annotations=[*COCO["annotations"], other]))
    assert file.given == ["Coat", None, None]
    assert file.warnings == (
        "1 images have annotations of several categories, and so no one label to audit: first in row 2.",
    )


def test_fields_called_like_what_is_made_of_them_go_on(tmp_path: Path) -> None:
    """An image's own field ``label`` or ``annotations`` stands beside the category's name and the annotations."""
    images = [image | {"label": "old", "annotations": 5} for image in COCO["images"]]
    table = read(tmp_path, changed(images=images)).table
    assert table["label_input"].to_list() == ["old"] * 3
    assert table["annotations_input"].to_list() == [5] * 3
    assert table["label"].to_list() == ["Coat", "Shirt", None]


def test_text_may_identify(tmp_path: Path) -> None:
    """Identifiers that are text work like numbers, and are not confused with them."""
    images = [{"id": "1", "file_name": "a"}, {"id": 1, "file_name": "b"}]
    annotations = [
        {"image_id": 1, "category_id": 2},
        {"image_id": "1", "category_id": 1},
    ]
    assert read(tmp_path, changed(images=images, annotations=annotations)).given == ["Coat", "Shirt"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"images": [{"file_name": "a"}]}, "entry 1 of images has no id"),
        ({"images": [{"id": True, "file_name": "a"}]}, "entry 1 of images has no id"),
        ({"images": ["a.png"]}, "entry 1 of images has no id"),
        ({"images": [*COCO["images"], {"id": 7}]}, "entry 4 of images has the id 7 of an earlier one"),
        ({"annotations": [{"image_id": 7}]}, "entry 1 of annotations has no category_id"),
        ({"annotations": [{"category_id": 1}]}, "entry 1 of annotations has no image_id"),
        ({"annotations": [{"image_id": [7], "category_id": 1}]}, "entry 1 of annotations has no image_id"),
        ({"annotations": [{"image_id": 8, "category_id": 1}]}, "has the image_id 8: of nothing"),
        ({"annotations": [{"image_id": 7, "category_id": "1"}]}, "has the category_id 1: of nothing"),
        ({"annotations": [None]}, "entry 1 of annotations is no object"),
        ({"categories": [{"id": 1}]}, "id 1 has no name"),
        ({"categories": [{"id": 1, "name": 5}]}, "id 1 has no name, or a strange one"),
        ({"categories": [{"id": 1, "name": " "}]}, "id 1 has no name, or a strange one"),
        ({"categories": [{"id": 1, "name": "x" * 1001}]}, "id 1 has no name, or a strange one"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, "id 2 is called 'a' like another"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "entry 2 of categories has the id 1"),
        ({"images": [], "annotations": []}, "there are no rows"),
        ({"images": {}}, "this JSON is neither COCO"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_its_place(
    tmp_path: Path, parts: dict[str, Any], message: str
) -> None:
    """Identifiers that are missing, doubled or refer to nothing, and names that are none, are named."""
    with pytest.raises(LabelFileError, match=r"^coco\.json: ") as caught:
        read(tmp_path, changed(**parts))
    assert message in str(caught.value)


def test_a_huge_data_set_of_categories_is_quick(tmp_path: Path) -> None:
    """Masses of categories and images take time in proportion, not in its square."""
    many = range(30_000)
    document = {
        "images": [{"id": k, "file_name": f"{k}.png"} for k in many],
        "annotations": [{"id": k, "image_id": k, "category_id": k} for k in many],
        "categories": [{"id": k, "name": f"class {k}"} for k in many],
    }
    assert read(tmp_path, document).given[-1] == "class 29999"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is not JSON"),
        ("{", "the file is not JSON"),
        ("[" * 100_000, "the file is not JSON: it is nested too deeply"),
        ('{"images": [], "images": []}', "the key 'images' comes twice"),
        ("3", "this JSON is neither COCO"),
        ("{}", "this JSON is neither COCO"),
        ("[]", "there are no rows"),
        ("[1]", "entry 1 is no object"),
        ('[{"label": "a"}, null]', "entry 2 is no object"),
        ('[{"label": NaN}]', "NaN is not JSON"),
        ('[{"label": 1e999}]', "1e999 is larger than any number"),
        ('[{"label": ' + "9" * 5000 + "}]", "the file is not JSON"),
        ('[{"label": "\\ud800"}]', "the file is not JSON"),
        ('[{"label": "a", "x": ' + "[" * 40 + "]" * 40 + "}]", "row 1 is nested more than 32 levels deep"),
        ("[" + json.dumps({f"k{k}": 1 for k in range(10_001)}) + "]", "there are 10001 columns"),
        ('{"a": 1, "b": {"a": 1, "a": 2}}', "the key 'a' comes twice"),
    ],
)
def test_hostile_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Towers of brackets, doubled keys, endless numbers and masses of keys are refused with what is wrong."""
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(LabelFileError) as caught:
        read_label_file(path)
    assert message in str(caught.value)


def test_a_million_doubled_keys_are_refused_at_once(tmp_path: Path) -> None:
    """The search for the doubled key is no way to keep a core busy."""
    path = tmp_path / "a.json"
    path.write_text("{" + ", ".join(f'"k{k}": 1' for k in range(300_000)) + ', "k1": 1}')
    with pytest.raises(LabelFileError, match="'k1' comes twice"):
        read_label_file(path)


def test_documents_are_bounded_before_they_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of too many bytes, or of too many values, is refused without being taken apart."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"label": "a"}] * 100))
    monkeypatch.setattr(table_limits, "MAX_JSON_VALUES", 50)
    with pytest.raises(LabelFileError, match="more than 50 values"):
        read_label_file(path)
    monkeypatch.setattr("labels.formats.json_file.MAX_JSON_BYTES", 1000)
    with pytest.raises(LabelFileError, match="larger than 0 MiB"):
        read_label_file(path)


def test_a_list_of_objects_is_a_table(tmp_path: Path) -> None:
    """What pandas, or Label Studio's short export, writes is read like JSONL: one object a row, all keys columns."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"image": "a.png", "choice": "Coat", "id": 1}, {"image": "b.png", "extra": [1]}]))
    file = read_label_file(path)
    assert (file.given, file.images, file.format) == (["Coat", None], ["a.png", "b.png"], "json")
    assert file.table.columns == ["image", "choice", "id", "extra"]
