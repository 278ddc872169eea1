"""Near duplicates of Fashion-MNIST: how many copies are found, what else is taken for one, and what it costs."""

import io
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from audit.duplicates import find_duplicates
from labels.fashion_mnist import find_fashion_mnist, read_fashion_mnist
from models.perceptual_hash import describe

COPIED = 3000
ROWS = 1_000_000

Copy = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def _saved(form: str, quality: int) -> Copy:
    def copy(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, form, quality=quality)
        return np.asarray(Image.open(file).convert("L"))

    return copy


def _resized(size: int, quality: int | None = None) -> Copy:
    def copy(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        other = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
        if quality is not None:
            other = _saved("JPEG", quality)(other)
        return np.asarray(Image.fromarray(other).resize((28, 28), Image.Resampling.BILINEAR))

    return copy


COPIES: dict[str, Copy] = {
    "JPEG, quality 60": _saved("JPEG", 60),
    "JPEG, quality 40": _saved("JPEG", 40),
    "WebP, quality 60": _saved("WebP", 60),
    "enlarged to 56": _resized(56),
    "enlarged to 36, JPEG 60": _resized(36, 60),
    "10 % brighter": lambda image: np.clip(image * 1.1, 0, 255).astype(np.uint8),
    "10 grey levels lighter": lambda image: np.clip(image.astype(int) + 10, 0, 255).astype(np.uint8),
    "shifted by a pixel": lambda image: np.roll(image, 1, axis=1),
}


def _describe(images: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.concatenate([describe(images[start : start + 64, :, :, None]) for start in range(0, len(images), 64)])


def main() -> None:
    data = read_fashion_mnist(find_fashion_mnist(None))
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    started = time.process_time()
    descriptors = _describe(images)
    print(f"describing: {(time.process_time() - started) / len(images) * 1e6:.1f} us an image")
    hashes = np.arange(len(images), dtype=np.uint64)
    print(f"all {len(images):,} images, as they are: {find_duplicates(hashes, descriptors, labels).to_json()}")
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(images), COPIED, replace=False)
    for name, copy in COPIES.items():
        copies = _describe(np.stack([copy(images[row]) for row in chosen]))
        more = np.arange(len(images) + COPIED, dtype=np.uint64)
        both = np.concatenate([descriptors, copies])
        cluster = find_duplicates(more, both, np.zeros(len(both), dtype=int)).cluster
        found = (cluster[chosen] == cluster[len(images) :]) & (cluster[chosen] >= 0)
        print(f"copies found, {name}: {found.mean():.1%}")
    many = descriptors[rng.integers(0, len(images), ROWS)]
    many[:, 2:] += rng.integers(-560, 561, (ROWS, many.shape[1] - 2)).astype(np.int16)
    started = time.process_time()
    find_duplicates(rng.permutation(ROWS).astype(np.uint64), many, np.zeros(ROWS, dtype=int))
    print(f"{ROWS:,} rows: {time.process_time() - started:.1f} s of CPU time")


if __name__ == "__main__":
    main()
