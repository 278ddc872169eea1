"""A model's look at many images: read, decoded, hashed and run through its graph, in parallel."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labels.images.errors import ImageSourceError, MissingImageError
from labels.images.source import ImageSource
from models.images import ImageError, decode_image
from models.perceptual_hash import LENGTH, describe
from models.preprocessing import InputSpec, to_input
from models.training_pixels import pixel_hash
from service.inference.classifier import Classifier

_BATCH = 64


@dataclass(frozen=True)
class Looks:
    """What a model saw of N names, n of which are images that it could look at."""

    status: NDArray[np.str_]
    """``[N]``: ``scored``, ``missing_image`` or ``corrupt_image``."""
    seen: NDArray[np.intp]
    """``[n]``: which are scored."""
    logits: NDArray[np.float32]
    """``[n, K]``."""
    embeddings: NDArray[np.float32]
    """``[n, D]``."""
    hashes: NDArray[np.uint64]
    """``[n]``: of the model's inputs, as in ``models.training_pixels``."""
    descriptors: NDArray[np.int16]
    """``[n, LENGTH]``: by which nearly equal images are found, as in ``models.perceptual_hash``."""


def look(
    names: Sequence[str | None],
    source: ImageSource,
    classifier: Classifier,
    *,
    max_pixels: int,
    threads: Executor,
) -> Looks:
    """Look at each image; a bad one costs its place alone.

    Batches are cut by place, not by what is ready first: the same names give the same numbers to the last bit.
    """
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    parts = list(threads.map(lambda batch: _look_at(batch, source, classifier, max_pixels), batches))
    status = np.concatenate([part.status for part in parts])
    return Looks(
        status=status,
        seen=np.flatnonzero(status == "scored"),
        logits=np.concatenate([part.logits for part in parts]),
        embeddings=np.concatenate([part.embeddings for part in parts]),
        hashes=np.concatenate([part.hashes for part in parts]),
        descriptors=np.concatenate([part.descriptors for part in parts]),
    )


def _look_at(names: Sequence[str | None], source: ImageSource, classifier: Classifier, max_pixels: int) -> Looks:
    spec = classifier.manifest.input
    read = [_read(source, name, spec, max_pixels) for name in names]
    images = [each for each in read if not isinstance(each, str)]
    descriptors = np.empty((0, LENGTH), dtype=np.int16)
    if images:
        pixels = np.stack(images)
        logits, embeddings = classifier.infer(pixels)
        descriptors = describe(pixels)
    else:
        widths = len(classifier.manifest.classes), classifier.manifest.embedding_size
        logits, embeddings = (np.empty((0, width), dtype=np.float32) for width in widths)
    status = np.array([each if isinstance(each, str) else "scored" for each in read])
    hashes = np.array([pixel_hash(image) for image in images], dtype=np.uint64)
    return Looks(status, np.flatnonzero(status == "scored"), logits, embeddings, hashes, descriptors)


def _read(source: ImageSource, name: str | None, spec: InputSpec, max_pixels: int) -> NDArray[np.uint8] | str:
    """The model input of one image, or why there is none."""
    if not name:
        return "missing_image"
    try:
        return to_input(decode_image(source.read(name), max_pixels=max_pixels), spec)
    except MissingImageError:
        return "missing_image"
    except (ImageError, ImageSourceError):
        return "corrupt_image"
