"""Pictures in folders of classes, as ImageNet is kept: ``train/CLASS/*.JPEG``, and ``val/CLASS/*.JPEG`` to test on."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels.errors import LabelFileError
from labels.images.opening import open_image_source
from labels.labelled_images import read_labelled_images
from labels.splits import Split, split
from models.groups import SimilarityGroups
from training.data.data_set import MIN_HELD_OUT, DataSet
from training.data.pictures import BadImages, FilePictures, input_for, into_memory, keep_readable

VALIDATION = 50
"""Most training images of each class that are held out to calibrate by; a tenth of them where that is less."""
_TEST = {"val", "valid", "validation", "test", "testing", "dev", "eval"}


def load_image_folder(place: Path, *, size: int | None, bad_images: BadImages) -> DataSet:
    """Load a folder, or an archive, of folders; without ``train`` and ``val`` all are training images.

    Raises ``LabelFileError`` where it is unclear which folder is the class, ``PictureError`` where images can't be
    read and are not to be skipped.
    """
    file = read_labelled_images(place)
    names = [name for name, label in zip(file.images, file.given, strict=True) if name and label]
    labels = [label for name, label in zip(file.images, file.given, strict=True) if name and label]
    source = open_image_source(place)
    spec = input_for(source, names, size)
    pictures, kept, warnings = keep_readable(FilePictures(source, names, spec), bad_images)
    labels, names = [labels[row] for row in kept], [names[row] for row in kept]
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise LabelFileError(f"{place.name}: there is one class, {classes[0]!r}: a folder for each class is needed")
    index = {name: k for k, name in enumerate(classes)}
    found = np.array([index[label] for label in labels], dtype=np.int64)
    to_test = np.array([_TEST & {part.lower() for part in name.split("/")[:-2]} != set() for name in names])
    training, test = np.flatnonzero(~to_test), np.flatnonzero(to_test)
    missing = np.setdiff1d(np.arange(len(classes)), found[training])
    if missing.size:
        raise LabelFileError(f"{place.name}: no training image is of class {classes[int(missing[0])]!r}")
    images, test_images = into_memory(pictures.subset(training), pictures.subset(test))
    return DataSet(
        name=place.resolve().name,
        classes=classes,
        groups=SimilarityGroups.singletons(classes),
        input=spec,
        images=images,
        labels=found[training],
        split=_split(found[training], len(classes)),
        test_images=test_images,
        test_labels=found[test],
        warnings=(*file.warnings, *warnings),
    )


def _split(labels: NDArray[np.int64], classes: int) -> Split:
    each = min(VALIDATION, int(np.bincount(labels).min()) // 10)
    return split(labels, validation=classes * each if each >= MIN_HELD_OUT else 0, reserve=0)
