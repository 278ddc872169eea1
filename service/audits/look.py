"""The model's look at the images of a label file."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labels.images.errors import ImageSourceError, MissingImageError
from labels.images.source import ImageSource
from labels.label_file import LabelFile
from models.images import ImageError, decode_image
from models.preprocessing import InputSpec, to_input
from models.training_pixels import pixel_hash
from service.classifier import Classifier

_BATCH = 64

Progress = Callable[[str, int, int], None]
"""Called with the phase, the rows done in it and the rows in all; may raise to stop the work."""


@dataclass(frozen=True)
class Looks:
    """What the model saw in N rows, n of which it could look at."""

    status: NDArray[np.str_]
    """``[N]``: ``scored``, ``unknown_label``, ``missing_image`` or ``corrupt_image``."""
    seen: NDArray[np.intp]
    """``[n]``: the rows that are scored."""
    logits: NDArray[np.float32]
    """``[n, K]``."""
    hashes: NDArray[np.uint64]
    """``[n]``: of the images, as in ``models.training_pixels``."""


def look(
    file: LabelFile,
    given: NDArray[np.int64],
    source: ImageSource,
    classifier: Classifier,
    *,
    progress: Progress,
    max_pixels: int,
) -> Looks:
    """Look at the image of every row whose label is a class (``given`` is not -1); a bad image costs its row alone."""
    status: list[str] = []
    waiting: list[NDArray[np.uint8]] = []
    logits = [np.empty((0, len(classifier.manifest.classes)), dtype=np.float32)]
    hashes: list[int] = []
    for row, (label, name) in enumerate(zip(given.tolist(), file.images, strict=True)):
        progress("looking at images", row, len(given))
        image = _read(source, name, classifier.manifest.input, max_pixels) if label >= 0 else "unknown_label"
        status.append(image if isinstance(image, str) else "scored")
        if not isinstance(image, str):
            waiting.append(image)
            hashes.append(pixel_hash(image))
        if len(waiting) == _BATCH or (waiting and row == len(given) - 1):
            logits.append(classifier.infer(np.stack(waiting))[0])
            waiting.clear()
    found = np.array(status)
    return Looks(found, np.flatnonzero(found == "scored"), np.concatenate(logits), np.array(hashes, dtype=np.uint64))


def _read(source: ImageSource, name: str | None, spec: InputSpec, max_pixels: int) -> NDArray[np.uint8] | str:
    """The model input of one image, or the status of a row whose image can't be read."""
    if not name:
        return "missing_image"
    try:
        return to_input(decode_image(source.read(name), max_pixels=max_pixels), spec)
    except MissingImageError:
        return "missing_image"
    except (ImageError, ImageSourceError):
        return "corrupt_image"
