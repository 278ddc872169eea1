"""Food-101N to train on, verified images of it to calibrate by, Food-101 to test on."""

from pathlib import Path

import numpy as np

from labels.food101 import ImageList, read_food101n
from labels.images.folder import FolderSource
from labels.splits import Split
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec
from training.data.data_set import DataSet, Trust
from training.data.pictures import BadImages, FilePictures, into_memory, keep_readable


def load_food101n(place: Path, *, size: int | None, bad_images: BadImages) -> DataSet:
    """Load ``Food-101N_release`` and ``food-101`` below a folder.

    Labels that were verified and found right are trusted; those found wrong stay as they are, since nobody says what is
    right. Raises ``DataSetNotFoundError``, ``DataSetError``, or ``PictureError`` where images can't be read and are not
    to be skipped.
    """
    data = read_food101n(place, place)
    side = size or 224
    spec = InputSpec(height=side, width=side, channels=3, resize=round(side * 8 / 7))
    pictures, kept, warnings = keep_readable(_pictures(data.images, spec), bad_images)
    tests, tested, lost = keep_readable(_pictures(data.test, spec), bad_images)
    labels, verified, held_out = data.images.labels[kept], data.verified[kept], data.held_out[kept]
    none = np.array([], dtype=np.intp)
    (images,), (test_images,) = into_memory(pictures), into_memory(tests)
    return DataSet(
        name="Food-101N",
        classes=data.classes,
        groups=SimilarityGroups.singletons(data.classes),
        input=spec,
        images=images,
        labels=labels,
        split=Split(np.flatnonzero(~held_out), np.flatnonzero(held_out & (verified == 1)), none),
        test_images=test_images,
        test_labels=data.test.labels[tested],
        trust=Trust(verified == 1, labels),
        warnings=(*warnings, *lost),
    )


def _pictures(images: ImageList, spec: InputSpec) -> FilePictures:
    return FilePictures(FolderSource(images.folder), images.names, spec)
