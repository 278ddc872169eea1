"""Some of the person's own pictures, to compare the graphs on."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels.images.errors import ImageSourceError
from labels.images.opening import open_image_source
from labels.label_file import read_label_file
from models.images import ImageError, decode_image
from models.preprocessing import InputSpec, to_input

_PICTURES = 32
_TRIED = 200
"""Files looked at in the search for pictures: a folder may hold millions."""


def real_pictures(images: Path | None, labels: Path | None, spec: InputSpec) -> NDArray[np.uint8]:
    """Up to 32 of them as inputs ``[n, H, W, C]``: those the label file names first, else some of the folder.

    What can't be read is passed over; without ``images`` there are none.
    """
    found: list[NDArray[np.uint8]] = []
    if images is not None:
        with open_image_source(images) as source:
            for name in islice(_names(images, labels), _TRIED):
                try:
                    found.append(to_input(decode_image(source.read(name)), spec))
                except (ImageError, ImageSourceError):
                    continue
                if len(found) == _PICTURES:
                    break
    return np.array(found, dtype=np.uint8).reshape(len(found), spec.height, spec.width, spec.channels)


def _names(images: Path, labels: Path | None) -> Iterator[str]:
    if labels is not None:
        yield from (name for name in read_label_file(labels).images if name)
    elif images.is_dir():
        yield from (path.relative_to(images).as_posix() for path in images.rglob("*.*"))
