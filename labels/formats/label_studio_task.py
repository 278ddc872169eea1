"""Write a task for Label Studio (labelstud.io/guide/predictions): an image with what is said of its label.

The labelling page of the project has ``<Image name="image" value="$image"/>`` and ``<Choices name="label"
toName="image">`` with every class.
"""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from labels.formats.label_studio import GIVEN_LABEL
from labels.images.names import normalise_name
from labels.taken_names import renames

LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio refers to files on its own disk."""
GIVEN, AUDIT = "given", "lookalike"
"""Who predicted: the label file, or the audit. Label Studio shows, and sorts by, whose is the last in the file."""
_IMAGE, _LABEL = "image", "label"


def image_url(root: str, name: str) -> str:
    """What the image of that name is called at a place: ``root`` as it stands, and the name quoted behind it."""
    return root + quote(normalise_name(name) or name)


def task(
    image: str,
    fields: Mapping[str, Any],
    *,
    given: str | None,
    verified: str | None,
    believed: str | None,
    p_wrong: float | None,
    classes: Collection[str],
    meta: Mapping[str, Any],
) -> dict[str, Any]:
    """Make a task of an image's URL and all fields of its row.

    ``verified`` is a label that somebody has seen to: it becomes an annotation, and the task counts as done. ``given``
    is what the label said before anybody did. Where the audit has an opinion, ``believed``, the given label is a
    prediction, and so is this, whose score is ``p_wrong``: of the given label. Choices are of ``classes`` only: Label
    Studio refuses those that its page doesn't have.
    """
    renamed = renames((_IMAGE, GIVEN_LABEL), list(fields))
    data = {renamed.get(name, name): value for name, value in fields.items()}
    predictions: list[dict[str, Any]] = []
    if believed in classes:
        if given in classes:
            predictions.append({"model_version": GIVEN, "result": _choice(given)})
        predictions.append({"model_version": AUDIT, "score": p_wrong, "result": _choice(believed)})
    return {
        "data": {_IMAGE: image} | data | {GIVEN_LABEL: given},
        "annotations": [{"result": _choice(verified), "ground_truth": False}] if verified in classes else [],
        "predictions": predictions,
        "meta": dict(meta),
    }


def _choice(label: str | None) -> list[dict[str, Any]]:
    return [{"from_name": _LABEL, "to_name": _IMAGE, "type": "choices", "value": {"choices": [label]}}]
