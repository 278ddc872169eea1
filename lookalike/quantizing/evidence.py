"""The images that an int8 form is made and judged by: those of the data set, or of a label file."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels.images.errors import ImageSourceError
from labels.images.opening import open_image_source
from labels.images.source import ImageSource
from labels.label_file import read_label_file
from labels.resolving import resolve_labels
from models.errors import LookalikeError
from models.images import ImageError, decode_image
from models.manifest import TRAINING_PIXELS
from models.preprocessing import InputSpec, to_input
from models.repository import ModelArtifact
from models.training_pixels import load_hashes, pixel_hash, were_trained_on
from training.data import load_fashion_mnist
from training.held_out import HeldOut
from training.quantization import range_images

MOST_IMAGES = 5_000
"""Rows of a label file that are used, drawn at random: their pixels are held in memory."""
_SEED = 0


class EvidenceError(LookalikeError):
    """The images don't do for this model; the message says why."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Images to measure ranges on, and images to calibrate and judge by."""

    ranges: NDArray[np.uint8]
    ranges_source: str
    held_out: HeldOut


def from_data_set(artifact: ModelArtifact, folder: Path | None) -> Evidence:
    """Ranges by training images, judgement by the validation part and the test split, as for a run."""
    made = artifact.manifest.provenance
    if made is None or made.data_set != "Fashion-MNIST":
        raise EvidenceError(
            f"{artifact} was not trained on Fashion-MNIST: name held-out images by --labels and --images"
        )
    data = load_fashion_mnist(folder)
    ranges = range_images(data.images, data.split.training)
    return Evidence(ranges, f"{len(ranges):,} images of {data.name}'s training split", HeldOut.of(data))


def from_label_file(artifact: ModelArtifact, labels: Path, images: Path) -> Evidence:
    """Both by the images of a label file whose labels are clean, and which the model was not trained on.

    Raises ``EvidenceError`` where a class has fewer than two images that can be read, or the model knows some of them.
    """
    classes, spec = artifact.manifest.classes, artifact.manifest.input
    file = read_label_file(labels)
    truth = resolve_labels(file, classes).indices
    rows = np.random.default_rng(_SEED).permutation(np.flatnonzero(truth >= 0))[:MOST_IMAGES]
    with open_image_source(images) as source, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        found = list(threads.map(lambda row: _read(source, file.images[row], spec), rows))
    seen = [i for i, image in enumerate(found) if image is not None]
    truth = truth[rows[seen]]
    count = np.bincount(truth, minlength=len(classes))
    if count.min() < 2:
        rare = classes[int(count.argmin())]
        raise EvidenceError(f"{labels.name}: {count.min()} readable images are labelled {rare!r}: two are the least")
    pixels = np.stack([image for image in found if image is not None])
    if TRAINING_PIXELS in artifact.manifest.files:
        hashes = np.array([pixel_hash(image) for image in pixels], dtype=np.uint64)
        known = int(were_trained_on(hashes, load_hashes(artifact.path / TRAINING_PIXELS)).sum())
        if known:
            raise EvidenceError(f"{labels.name}: {artifact} was trained on {known:,} of its images: leave them out")
    ranges = range_images(pixels, np.arange(len(pixels)))
    held_out = HeldOut(f"{labels.name}, {len(pixels):,} images", pixels, truth)
    return Evidence(ranges, f"{labels.name}, {len(ranges):,} images", held_out)


def _read(source: ImageSource, name: str | None, spec: InputSpec) -> NDArray[np.uint8] | None:
    try:
        return None if not name else to_input(decode_image(source.read(name)), spec)
    except (ImageError, ImageSourceError):
        return None
