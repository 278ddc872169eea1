"""What holds for every file in the formats that are not tables."""

import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.errors import LabelFileError
from labels.formats.class_folders import read_class_folders
from labels.formats.json_rows import json_rows
from labels.formats.label_studio_task import image_url, task
from labels.images.names import normalise_name
from labels.images.references import resolve_references
from labels.images.source import ImageSource
from labels.label_file import LabelFile, read_label_file

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
LABELS = st.sampled_from(["Coat", "Bag", "T-shirt/top", "Größe", "0"]) | TEXT.filter(str.strip)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=8)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join).filter(lambda name: normalise_name(name) == name)


def read(document: Any, **options: str) -> LabelFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.json"
        path.write_text(json.dumps(document))
        return read_label_file(path, **options)


def written(value: Any) -> Any:
    """A cell of a table that came from JSON, as the value that was there."""
    return json.loads(value) if isinstance(value, str) and value[:1] in {"[", "{"} else value


@settings(max_examples=60, deadline=None)
@given(
    images=st.lists(st.tuples(NAMES, LABELS, st.dictionaries(TEXT, VALUES, max_size=2)), min_size=1, max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_coco_says_what_was_said(images: list[tuple[str, str, dict[str, Any]]], order: Any) -> None:
    """Whatever labels, names and fields a COCO file has, each image gets its own, in the file's order."""
    classes = list(dict.fromkeys(label for _, label, _ in images))
    identifiers = order.sample(range(1000), len(images))
    annotations = [
        {"id": k, "image_id": identifier, "category_id": classes.index(label), **fields}
        for k, (identifier, (_, label, fields)) in enumerate(zip(identifiers, images, strict=True))
        if not {"id", "image_id", "category_id"} & fields.keys()
    ]
    order.shuffle(annotations)
    labelled = {each["image_id"] for each in annotations}
    file = read(
        {
            "images": [{"id": k, "file_name": name} for k, (name, _, _) in zip(identifiers, images, strict=True)],
            "annotations": annotations,
            "categories": [{"id": k, "name": name} for k, name in enumerate(classes)],
        }
    )
    assert file.images == [name for name, _, _ in images]
    assert file.given == [
        label if k in labelled else None for k, (_, label, _) in zip(identifiers, images, strict=True)
    ]
    for k, cell in zip(identifiers, file.table["annotations"], strict=True):
        assert json.loads(cell) == [each for each in annotations if each["image_id"] == k]


class Everything(ImageSource):
    """A place that has images of the names it is told."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def read(self, name: str) -> bytes:
        return name.encode()

    def has(self, name: str) -> bool:
        return name in self._names

    def listing(self) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "given": LABELS,
            "believed": st.none() | LABELS,
            "verified": st.none() | LABELS,
            "fields": st.dictionaries(TEXT, VALUES, max_size=3),
        }
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, root=st.sampled_from(["/data/local-files/?d=", "/data/local-files/?d=x/", "https://h/a/", "s3://b/"]))
def test_what_goes_to_label_studio_comes_back(rows: list[dict[str, Any]], root: str) -> None:
    """Tasks that were written and read again have the labels, what was verified, the images, and every field."""
    classes = {row[key] for row in rows for key in ("given", "believed", "verified")} - {None}
    tasks = [
        task(
            image_url(root, row["name"]),
            row["fields"],
            given=row["given"],
            verified=row["verified"],
            believed=row["believed"],
            p_wrong=0.5,
            classes=classes,
            meta={"row": number},
        )
        for number, row in enumerate(rows)
    ]
    file = read(tasks)
    assert file.given == [row["verified"] or row["given"] for row in rows]
    assert file.trusted.tolist() == [row["verified"] is not None for row in rows]
    assert file.original == [row["verified"] and row["given"] for row in rows]
    names = [row["name"] for row in rows]
    assert resolve_references(file.images, Everything(set(names))) == names
    for row, back in zip(rows, tasks, strict=True):
        assert list(back["data"].values())[1:-1] == list(row["fields"].values())
    for name, value in rows[0]["fields"].items():
        if name in file.table.columns and name not in {"label", "trusted", "original_label", "annotations", "meta"}:
            cell = file.table[name][0]
            assert written(cell) == value or str(cell) == str(value), name


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES.map(lambda name: name.rsplit("/", 1)[-1]), LABELS, min_size=1))
def test_folders_of_classes_say_what_was_said(files: dict[str, str]) -> None:
    """An image put into the folder of its class has that class, whatever both are called."""
    placed = {f"{label.replace('/', '_').strip('.') or 'x'}/{name}.png" for name, label in files.items()}
    names = sorted(name for name in placed if normalise_name(name) == name and "/." not in f"/{name}")
    if names:
        table = read_class_folders(names).table
        assert table["image"].to_list() == names
        assert table["label"].to_list() == [name.split("/")[0] for name in names]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.just("label") | TEXT, VALUES), min_size=1, max_size=4))
def test_a_list_of_objects_is_read_like_lines_of_them(rows: list[dict[str, Any]]) -> None:
    """The same objects as one document and as JSONL give the same table, or both are refused."""
    with tempfile.TemporaryDirectory() as folder:
        lines, document = Path(folder) / "a.jsonl", Path(folder) / "a.json"
        lines.write_text("\n".join(map(json.dumps, rows)))
        document.write_text(json.dumps(rows))
        found = []
        for path in (lines, document):
            try:
                found.append(read_label_file(path).table)
            except LabelFileError as error:
                found.append(str(error).partition(": ")[2])
        assert type(found[0]) is type(found[1])
        if isinstance(found[0], pl.DataFrame):
            assert found[0].equals(found[1])
            assert [len(row) for row in json_rows(found[0])] == [found[0].width] * len(rows)
        else:
            assert found[0] == found[1]


ODD = st.recursive(
    SCALARS | TEXT | st.sampled_from(["choices", "Coat"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["images", "annotations", "categories", "id", "image_id", "category_id", "name", "file_name", "data",
                 "result", "value", "choices", "type", "from_name", "predictions", "label", "given_label", "image"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    ODD
    | st.lists(st.fixed_dictionaries({"data": st.dictionaries(TEXT, ODD, max_size=2)}, optional={"annotations": ODD}))
)
def test_any_document_is_read_or_refused(document: Any) -> None:
    """JSON that is nearly of a known layout is read or refused by a LabelFileError: nothing else comes out."""
    try:
        file = read(document)
    except LabelFileError:
        return
    assert len(file.given) == len(file.images) == len(file.trusted) == file.table.height
