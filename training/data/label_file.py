"""A person's own data: a label file with images, as an audit takes it in and gives it back."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelFileError
from labels.images.opening import open_image_source
from labels.label_file import LabelFile, read_label_file
from labels.places import listed_rows
from labels.resolving import resolve_labels
from labels.splits import SPLIT_SEED, Split
from models.groups import SimilarityGroups
from training.data.data_set import MIN_HELD_OUT, DataSet, Trust
from training.data.pictures import BadImages, FilePictures, input_for, into_memory, keep_readable

VALIDATION = 0.2
"""Share of the trusted samples that is held out to calibrate by."""


def load_label_file(labels: Path, images: Path, *, size: int | None, bad_images: BadImages) -> DataSet:
    """Load the images that a label file names, from a folder or an archive.

    The classes are the labels that the file has, sorted. Its columns ``trusted`` and ``original_label`` say who was
    verified and what the label was before. A fifth of the trusted samples of each class are held out to calibrate by,
    where that is at least two of every class.

    Raises ``LabelFileError``, ``ImageSourceError``, or ``PictureError`` where images can't be read and are not to be
    skipped.
    """
    file = read_label_file(labels)
    if file.image_column is None:
        raise LabelFileError(f"{labels.name}: no column names the images: name it `image`")
    rows = np.array(
        [row for row, (name, label) in enumerate(zip(file.images, file.given, strict=True)) if name and label]
    )
    source = open_image_source(images)
    names = [str(file.images[row]) for row in rows]
    spec = input_for(source, names, size)
    pictures, kept, unread = keep_readable(FilePictures(source, names, spec), bad_images)
    rows = rows[kept]
    classes = _classes(labels, file, rows)
    resolved = resolve_labels(file, classes)
    given, trusted, original = resolved.indices[rows], file.trusted[rows], resolved.original[rows]
    split = _split(given, trusted, len(classes))
    warnings = [*file.warnings, *_without(file), *unread]
    if not split.validation.size:
        warnings.append(
            "There are too few trusted rows to calibrate by, so the model's probabilities will be uncalibrated: a "
            "fifth of those rows is held out for that, which takes 10 of every class (column `trusted`)."
        )
    (read,) = into_memory(pictures)
    return DataSet(
        name=labels.name,
        classes=classes,
        groups=SimilarityGroups.singletons(classes),
        input=spec,
        images=read,
        labels=given,
        split=split,
        test_images=np.empty((0, spec.height, spec.width, spec.channels), dtype=np.uint8),
        test_labels=np.empty(0, dtype=np.int64),
        trust=Trust(trusted, np.where(trusted & (original >= 0), original, given)),
        warnings=tuple(warnings),
    )


def _classes(labels: Path, file: LabelFile, rows: NDArray[np.intp]) -> tuple[str, ...]:
    found = {str(file.given[row]) for row in rows}
    if len(found) < 2:
        raise LabelFileError(f"{labels.name}: there are labels of {len(found)} classes: two are the least to train on")
    if all(label.isdecimal() for label in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found))


def _without(file: LabelFile) -> list[str]:
    """A warning about rows that name no image or have no label."""
    lost = [
        row for row, (name, label) in enumerate(zip(file.images, file.given, strict=True), 1) if not (name and label)
    ]
    return [f"{len(lost)} rows lack a label or an image and are left out: {listed_rows(lost)}."] if lost else []


def _split(given: NDArray[np.int64], trusted: NDArray[np.bool_], classes: int) -> Split:
    rng = np.random.default_rng(SPLIT_SEED)
    held_out = np.zeros(len(given), dtype=bool)
    for label in range(classes):
        members = rng.permutation(np.flatnonzero(trusted & (given == label)))
        held_out[members[: int(VALIDATION * len(members))]] = True
    if np.bincount(given[held_out], minlength=classes).min() < MIN_HELD_OUT:
        held_out[:] = False
    none = np.array([], dtype=np.intp)
    return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out), none)
