"""COCO (Lin et al. 2014, cocodataset.org/#format-data), of which only who belongs to which category is read."""

from collections.abc import Collection, Mapping
from typing import Any, TypeGuard

from labels.errors import LabelFileError
from labels.formats.json_values import is_too_deep, json_text
from labels.formats.object_table import ObjectTable
from labels.formats.reading import Reading
from labels.places import listed_rows
from labels.taken_names import renames

_LABEL, _ANNOTATIONS = "label", "annotations"
_MAX_NAME = 1000  # characters; a reviewer's label has no more either

Coco = Mapping[str, list[Any]]
Identifier = int | str


def is_coco(document: Any) -> TypeGuard[Coco]:
    """Whether a JSON document is laid out like COCO's."""
    return isinstance(document, dict) and all(
        isinstance(document.get(part), list) for part in ("images", "annotations", "categories")
    )


def read_coco(document: Coco) -> Reading:
    """One row an image, in the order of ``images``, with all fields of the image.

    ``label`` is the name of the category on which the image's annotations agree; where they don't, or there are none,
    it is null. ``annotations`` keeps them whole, as JSON text. Raises ``LabelFileError`` for an identifier that is
    missing, doubled, or refers to nothing.
    """
    images = _by_identifier("images", document["images"])
    names = _names(_by_identifier("categories", document["categories"]))
    annotations = _annotations_of(images, names, document["annotations"])
    keys = dict.fromkeys(key for image in images.values() for key in image)
    renamed = renames((_LABEL, _ANNOTATIONS), list(keys))
    objects = ObjectTable()
    disagreeing = []
    for number, (identifier, image) in enumerate(images.items(), 1):
        labels = {names[each["category_id"]] for each in annotations[identifier]}
        if len(labels) > 1:
            disagreeing.append(number)
        row = {renamed.get(key, key): value for key, value in image.items()}
        row[_LABEL] = labels.pop() if len(labels) == 1 else None
        row[_ANNOTATIONS] = json_text(annotations[identifier])
        objects.add(row)
    return Reading(
        objects.table(),
        "coco",
        labels=(_LABEL,),
        image="file_name" if "file_name" in keys else None,
        warnings=(_disagreement(disagreeing),) if disagreeing else (),
    )


def _by_identifier(part: str, entries: list[Any]) -> dict[Identifier, dict[str, Any]]:
    found: dict[Identifier, dict[str, Any]] = {}
    for number, entry in enumerate(entries, 1):
        identifier = entry.get("id") if isinstance(entry, dict) else None
        if not _is_identifier(identifier):
            raise LabelFileError(f"entry {number} of {part} has no id: each needs one of its own, a number or text")
        if identifier in found:
            raise LabelFileError(f"entry {number} of {part} has the id {str(identifier)[:80]} of an earlier one")
        found[identifier] = entry
    return found


def _names(categories: Mapping[Identifier, dict[str, Any]]) -> dict[Identifier, str]:
    identifiers: dict[str, Identifier] = {}
    for identifier, category in categories.items():
        name, place = category.get("name"), f"the category with id {str(identifier)[:80]}"
        if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME:
            raise LabelFileError(f"{place} has no name, or a strange one: write text of at most {_MAX_NAME} characters")
        if name in identifiers:
            raise LabelFileError(f"{place} is called {name[:80]!r} like another: classes are known by their names")
        identifiers[name] = identifier
    return {identifier: name for name, identifier in identifiers.items()}


def _annotations_of(
    images: Collection[Identifier], categories: Collection[Identifier], annotations: list[Any]
) -> dict[Identifier, list[dict[str, Any]]]:
    found: dict[Identifier, list[dict[str, Any]]] = {identifier: [] for identifier in images}
    for number, annotation in enumerate(annotations, 1):
        if not isinstance(annotation, dict):
            raise LabelFileError(f"entry {number} of annotations is no object")
        for key, known in (("image_id", images), ("category_id", categories)):
            identifier = annotation.get(key)
            if not _is_identifier(identifier):
                raise LabelFileError(f"entry {number} of annotations has no {key}: each needs one, a number or text")
            if identifier not in known:
                raise LabelFileError(f"entry {number} of annotations has the {key} {str(identifier)[:80]}: of nothing")
        if is_too_deep(annotation):
            raise LabelFileError(f"entry {number} of annotations is nested too deeply: flatten it")
        found[annotation["image_id"]].append(annotation)
    return found


def _is_identifier(value: Any) -> TypeGuard[Identifier]:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _disagreement(rows: list[int]) -> str:
    return (
        f"{len(rows)} images have annotations of several categories, and so no one label to audit: "
        f"first in {listed_rows(rows)}."
    )
