"""Fuzzes the readers of label files: `python tests/fuzz/label_files.py csv --seconds 300`."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))  # the project's own folder is on the path by its installation

with atheris.instrument_imports(include=["labels", "models", "csv", "json"]):
    import json

    import polars as pl
    from harness import main

    from labels.errors import LabelFileError
    from labels.formats.label_studio_task import task
    from labels.label_file import read_label_file
    from labels.resolving import resolve_labels

ROWS = {"image": ["a.png", "b/ä.png", None], "label": ["Shirt", "Coat", "Shirt"], "trusted": ["true", "", "no"]}


def read(path: Path) -> None:
    """Read a label file as an audit does."""
    try:
        resolve_labels(read_label_file(path), ("Shirt", "Coat"))
    except LabelFileError as error:
        assert str(error).startswith(path.name), "the message does not name the file"


def delimited(separator: str) -> list[bytes]:
    """Honest tables, one of them with quotes and line ends in its cells."""
    table = pl.DataFrame(ROWS)
    plain = table.write_csv(separator=separator).encode()
    quoted = f'image{separator}label\r\n"a{separator}b.png"{separator}"line\nend ""quoted"""\r\n'.encode()
    return [plain, quoted, b"\xef\xbb\xbf" + plain, plain.decode().encode("utf-16"), plain.replace(b"\n", b"\r")]


def json_lines() -> list[bytes]:
    """Honest lines, flat and nested."""
    return [pl.DataFrame(ROWS).write_ndjson().encode(), b'{"label": 1, "x": [[{}]]}']


def documents() -> list[bytes]:
    """Honest COCO, Label Studio's tasks, and a list of objects."""
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [0, 0, 1, 1]}],
        "categories": [{"id": 7, "name": "Shirt"}],
    }
    said = {"given": "Shirt", "believed": "Coat", "p_wrong": 0.5, "classes": {"Shirt", "Coat"}, "meta": {"row": 1}}
    tasks = [
        task("/data/local-files/?d=a.png", {"note": "x"}, verified=verified, **said) for verified in (None, "Coat")
    ]
    return [json.dumps(each).encode() for each in (coco, tasks, [dict.fromkeys(ROWS, "Shirt")])]


if __name__ == "__main__":
    main(
        {
            "csv": (".csv", lambda: delimited(",") + delimited(";"), read),
            "tsv": (".tsv", lambda: delimited("\t"), read),
            "jsonl": (".jsonl", json_lines, read),
            "json": (".json", documents, read),
        }
    )
