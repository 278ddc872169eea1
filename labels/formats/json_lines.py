"""JSONL: one object per line."""

from pathlib import Path

from labels.errors import LabelFileError
from labels.formats.json_values import parse_json
from labels.formats.object_table import ObjectTable
from labels.formats.reading import Reading
from labels.formats.text_lines import text_lines

_EXAMPLE = '{"image": "a.png", "label": "Shirt"}'


def read_json_lines(path: Path) -> Reading:
    """Read a table as ``ObjectTable`` makes it; raises ``LabelFileError`` naming the line."""
    objects = ObjectTable()
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        row = objects.rows + 1
        try:
            content = parse_json(line)
        except ValueError as error:
            raise LabelFileError(
                f"line {number} is not one JSON object: {error}; each line must be one, such as {_EXAMPLE}", row=row
            ) from error
        if not isinstance(content, dict):
            raise LabelFileError(f"line {number} is no JSON object: each line must be one, such as {_EXAMPLE}", row=row)
        objects.add(content)
    return Reading(objects.table(), "jsonl")
