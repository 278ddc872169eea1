"""Find the labels of a file among the classes of a model, or of the file itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labels.images.names import normalise_name
from labels.label_file import LabelFile
from labels.places import listed, listed_rows


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class ResolvedLabels:
    """The labels as class indices."""

    indices: NDArray[np.int64]  # [N], -1 where the label is not a class
    spelling: tuple[str, ...]  # how the file spells each class: its name, or its index
    original: NDArray[np.int64]  # [N], what the label said before it was verified; -1 where the file doesn't say
    warnings: list[str]  # what a person should know, in whole sentences


def resolve_labels(label_file: LabelFile, classes: Sequence[str]) -> ResolvedLabels:
    """Find each label among the classes: by its exact name, or, where no label is a name, by its index.

    Indices are taken only if every label that is there is a whole number from 0 to K - 1.
    """
    given = label_file.given
    by_name = {name: index for index, name in enumerate(classes)}
    present = {label for label in given if label}
    warnings = []
    by_index = {str(index): index for index in range(len(classes))}
    lookup = by_name
    if present and present.isdisjoint(by_name) and present <= by_index.keys():
        lookup = by_index
        warnings.append(
            f"The labels are whole numbers: they are taken as indices of the classes, from 0 = {classes[0]!r} "
            f"to {len(classes) - 1} = {classes[-1]!r}."
        )
    indices = np.array([-1 if label is None else lookup.get(label, -1) for label in given], dtype=np.int64)
    warnings += _unknown_labels(given, indices)
    warnings += _repeated_images(label_file.images)
    before = np.array([-1 if label is None else lookup.get(label, -1) for label in label_file.original], dtype=np.int64)
    return ResolvedLabels(indices, tuple(lookup), before, warnings)


def _unknown_labels(given: Sequence[str | None], indices: NDArray[np.int64]) -> list[str]:
    unknown = [row for row, index in enumerate(indices.tolist(), 1) if index < 0]
    if not unknown:
        return []
    labels = (given[row - 1] for row in unknown)
    examples = list(dict.fromkeys("(none)" if label is None else repr(label[:80]) for label in labels))
    count = f"{len(unknown)} of {len(given)} labels"
    return [f"{count} are not among the classes: {listed(examples)}; first in {listed_rows(unknown)}."]


def _repeated_images(images: Sequence[str | None]) -> list[str]:
    seen: set[str] = set()
    repeated = []
    for row, name in enumerate(images, 1):
        if name is None:
            continue
        key = normalise_name(name) or name
        if key in seen:
            repeated.append(row)
        seen.add(key)
    if not repeated:
        return []
    return [f"{len(repeated)} rows name an image that an earlier row names too: first in {listed_rows(repeated)}."]
