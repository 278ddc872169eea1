"""A .json file: COCO, Label Studio's tasks, or a plain list of objects, told apart by what is in it."""

from pathlib import Path
from typing import Any

from labels.errors import LabelFileError
from labels.formats.coco import is_coco, read_coco
from labels.formats.json_values import parse_json
from labels.formats.label_studio import are_tasks, read_tasks
from labels.formats.object_table import ObjectTable
from labels.formats.reading import Reading
from labels.formats.table_limits import MAX_JSON_BYTES, check_json
from labels.formats.text_encoding import read_text


def read_json(path: Path) -> Reading:
    """Read one document of at most ``MAX_JSON_BYTES``; raises ``LabelFileError`` naming the place."""
    document = _document(path)
    if is_coco(document):
        return read_coco(document)
    if are_tasks(document):
        return read_tasks(document)
    if isinstance(document, list):
        return _read_objects(document)
    raise LabelFileError(
        "this JSON is neither COCO (an object with images, annotations and categories) nor a list of Label Studio's "
        "tasks or of other objects: write one of these, or CSV"
    )


def _document(path: Path) -> Any:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise LabelFileError(
            f"the file is larger than {MAX_JSON_BYTES // 2**20} MiB: split it, or save it as JSONL or CSV"
        )
    text = read_text(path)
    check_json(text)
    try:
        return parse_json(text)
    except ValueError as error:
        raise LabelFileError(f"the file is not JSON: {error}") from error


def _read_objects(document: list[Any]) -> Reading:
    objects = ObjectTable()
    for row, content in enumerate(document, 1):
        if not isinstance(content, dict):
            raise LabelFileError(
                f'entry {row} is no object: each must be one, such as {{"image": "a.png", "label": "Shirt"}}', row=row
            )
        objects.add(content)
    return Reading(objects.table(), "json")
