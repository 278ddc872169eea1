"""Write a sample for FiftyOne, as it stands in the ``samples.json`` of a ``FiftyOneDataset`` folder.

The layout is that which ``fiftyone.types.FiftyOneDataset`` reads where there is no ``metadata.json``
(docs.voxel51.com/user_guide/import_datasets.html).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def sample(
    image: str,
    *,
    label: str | None,
    suggested: str | None,
    tags: Sequence[str],
    answers: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """Make a sample of an image's path.

    ``answers`` become fields of their names. ``fields`` are kept as JSON text under ``columns``: what they are called
    may be no name for a field of FiftyOne.
    """
    return {
        "filepath": image,
        "tags": list(tags),
        "ground_truth": _classification(label),
        "suggestion": _classification(suggested),
        **answers,
        "columns": json.dumps(fields, ensure_ascii=False),
    }


def _classification(label: str | None) -> dict[str, str] | None:
    return None if label is None else {"_cls": "Classification", "label": label}
