"""A file of class names, in the order of the logits."""

import json
from collections import Counter
from pathlib import Path

from lookalike.importing.errors import ModelImportError

MOST_CLASSES = 10_000
_LONGEST = 200


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read names, one a line, or a JSON list, or a JSON object from index to name; raises ``ModelImportError``."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = _from_json(json.loads(text)) if path.suffix.lower() == ".json" else _lines(text)
    except (ValueError, RecursionError) as error:  # not UTF-8, or no JSON
        raise ModelImportError(f"{path.name}: {str(error)[:200]}; write one name a line, or a JSON list") from error
    if not 2 <= len(names) <= MOST_CLASSES:
        raise ModelImportError(f"{path.name} has {len(names)} class names: a classifier has from 2 to {MOST_CLASSES:,}")
    for number, name in enumerate(names, 1):
        if not name or len(name) > _LONGEST or not name.isprintable():
            raise ModelImportError(
                f"{path.name}: name {number} is {name[:40]!r}: write 1 to {_LONGEST} printable letters"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        places = [number for number, name in enumerate(names, 1) if name == twice[0]]
        raise ModelImportError(
            f"{path.name}: {twice[0]!r} stands at {places}: names must differ; add what tells them apart"
        )
    return names


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


def _from_json(document: object) -> tuple[str, ...]:
    if isinstance(document, dict):
        try:
            document = [document[str(index)] for index in range(len(document))]
        except KeyError as error:
            raise ValueError(f"there is no class {error}") from error
    if not isinstance(document, list) or not all(isinstance(name, str) for name in document):
        raise ValueError("it is neither a list of names nor an object from index to name")
    return tuple(document)
