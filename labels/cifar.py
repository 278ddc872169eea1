"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) on disk, in the binary version: records of a label and 32 x 32 pixels.

The version for Python is made of pickles, which can run code, and is not read.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels.fashion_mnist import DataSetError, DataSetNotFoundError

CIFAR10_PAIRS = (  # Gare and Galeotti 2021; not the pairs of the usual benchmark with asymmetric noise
    ("truck", "automobile"),
    ("bird", "airplane"),
    ("deer", "horse"),
    ("cat", "dog"),
    ("frog", "ship"),
)
_PIXELS = 3 * 32 * 32
_TRAIN, _TEST = 50_000, 10_000


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class Cifar:
    """50,000 images to train and 10,000 to test, uint8 ``[N, 32, 32, 3]``, labels int64 ``[N]``."""

    classes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    """The pairs of CIFAR-10; of CIFAR-100 the classes of each superclass."""
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def read_cifar10(place: Path) -> Cifar:
    """Read ``cifar-10-batches-bin``, the folder itself or one that holds it.

    Raises ``DataSetNotFoundError``, or ``DataSetError`` naming the file that is wrong.
    """
    folder = _find(place, "cifar-10-batches-bin", "data_batch_1.bin", "cifar-10-binary.tar.gz")
    classes = _names(folder / "batches.meta.txt", 10)
    batches = [_records(folder / f"data_batch_{k}.bin", _TRAIN // 5, (10,)) for k in range(1, 6)]
    test_images, (test_labels,) = _records(folder / "test_batch.bin", _TEST, (10,))
    return Cifar(
        classes,
        CIFAR10_PAIRS,
        np.concatenate([images for images, _ in batches]),
        np.concatenate([labels for _, (labels,) in batches]),
        test_images,
        test_labels,
    )


def read_cifar100(place: Path) -> Cifar:
    """Read ``cifar-100-binary``, the folder itself or one that holds it; errors as of ``read_cifar10``."""
    folder = _find(place, "cifar-100-binary", "train.bin", "cifar-100-binary.tar.gz")
    classes = _names(folder / "fine_label_names.txt", 100)
    superclasses = _names(folder / "coarse_label_names.txt", 20)
    train_images, (coarse, train_labels) = _records(folder / "train.bin", _TRAIN, (20, 100))
    test_images, (_, test_labels) = _records(folder / "test.bin", _TEST, (20, 100))
    members = [np.unique(train_labels[coarse == k]) for k in range(len(superclasses))]
    groups = tuple(tuple(classes[int(a)] for a in each) for each in members)
    return Cifar(classes, groups, train_images, train_labels, test_images, test_labels)


def _find(place: Path, name: str, first: str, archive: str) -> Path:
    for folder in (place, place / name):
        if (folder / first).is_file():
            return folder
    pickles = " The version for Python, which holds pickles, is not read." if list(place.glob("cifar-*-py*")) else ""
    raise DataSetNotFoundError(
        f"{place} holds no {name} with {first}: unpack {archive} of www.cs.toronto.edu/~kriz/cifar.html there, or name "
        f"the folder by --data DIR.{pickles}"
    )


def _names(path: Path, count: int) -> tuple[str, ...]:
    names = tuple(line.strip() for line in _read(path).decode(errors="replace").splitlines() if line.strip())
    if len(set(names)) != count:
        raise DataSetError(f"{path} has {len(set(names))} names, expected {count}: get the file again")
    return names


def _records(
    path: Path, count: int, classes: tuple[int, ...]
) -> tuple[NDArray[np.uint8], tuple[NDArray[np.int64], ...]]:
    """Read records of a label byte for each number of ``classes`` and the pixels, channel by channel."""
    size = len(classes) + _PIXELS
    content = _read(path)
    if len(content) != count * size:
        raise DataSetError(f"{path} has {len(content):,} bytes, expected {count * size:,}: get the file again")
    records = np.frombuffer(content, dtype=np.uint8).reshape(count, size)
    labels = tuple(records[:, k].astype(np.int64) for k in range(len(classes)))
    for column, most in zip(labels, classes, strict=True):
        if column.max() >= most:
            raise DataSetError(f"{path} has the label {column.max()}, there are {most} classes: get the file again")
    images = records[:, len(classes) :].reshape(count, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataSetError(f"{path} can't be read ({error.strerror}): get the file again") from error
