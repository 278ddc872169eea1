"""Fashion-MNIST (Xiao et al. 2017) on disk: four files in the idx format, gzipped or not."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
PAIRS = (  # the classes that are mistaken for one another, two by two
    ("T-shirt/top", "Shirt"),
    ("Pullover", "Coat"),
    ("Sandal", "Sneaker"),
    ("Trouser", "Dress"),
    ("Bag", "Ankle boot"),
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_SIZE = 28


class DataSetNotFoundError(LookalikeError, FileNotFoundError):
    """The data set is not on this machine; the message says how to get it."""


class DataSetError(LookalikeError, ValueError):
    """A file of the data set is not what it should be; the message names the file."""


@dataclass(frozen=True, eq=False)  # arrays and tables have no one truth value
class FashionMNIST:
    """The whole data set: 60,000 images to train and 10,000 to test, uint8 ``[N, 28, 28]``, labels int64 ``[N]``."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def find_fashion_mnist(data_dir: Path | None) -> Path:
    """Return the folder that holds the four files.

    A folder that is named is the only one looked at; else the Debian package's, else ``data/fashion-mnist`` and
    ``data`` here. In each, torchvision's ``FashionMNIST/raw`` is accepted too. Raises ``DataSetNotFoundError``.
    """
    places = [data_dir] if data_dir is not None else [DEBIAN_FOLDER, Path("data/fashion-mnist"), Path("data")]
    for place in places:
        for folder in (place, place / "FashionMNIST" / "raw"):
            if all(_file(folder, name) for name in _NAMES):
                return folder
    looked = ", ".join(str(place) for place in places)
    raise DataSetNotFoundError(
        f"Fashion-MNIST is not in {looked}. Either install it (apt-get install dataset-fashion-mnist), or let "
        "`lookalike train` download it through torchvision where it may, or name the folder with its four idx files "
        "by --data DIR"
    )


def read_fashion_mnist(folder: Path) -> FashionMNIST:
    """Read the four files; raises ``DataSetNotFoundError`` or ``DataSetError`` naming the file that is wrong."""
    train_images, train_labels, test_images, test_labels = (_path(folder, name) for name in _NAMES)
    return FashionMNIST(
        train_images=_read_idx(train_images, (60_000, _SIZE, _SIZE)),
        train_labels=_read_labels(train_labels, 60_000),
        test_images=_read_idx(test_images, (10_000, _SIZE, _SIZE)),
        test_labels=_read_labels(test_labels, 10_000),
    )


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _path(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise DataSetNotFoundError(f"{folder} has neither {name} nor {name}.gz: name the right folder by --data DIR")
    return path


def _read_labels(path: Path, count: int) -> NDArray[np.int64]:
    labels = _read_idx(path, (count,))
    if labels.max() >= len(CLASSES):
        raise DataSetError(f"{path} has the label {labels.max()}, there are {len(CLASSES)} classes: get the file again")
    return labels.astype(np.int64)


def _read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read unsigned bytes of the expected shape: a magic number, the dimensions, then the values."""
    header = bytes([0, 0, 0x08, len(shape)]) + np.array(shape, dtype=">u4").tobytes()
    expected = len(header) + int(np.prod(shape))
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataSetError(f"{path} can't be read ({error}): get the file again") from error
    if data[:4] != header[:4]:
        raise DataSetError(f"{path} is no idx file of {len(shape)}-dimensional bytes: get the file again")
    if len(data) < len(header):
        raise DataSetError(f"{path} is cut short: get the file again")
    if data[: len(header)] != header:
        found = tuple(int(side) for side in np.frombuffer(data[4 : len(header)], dtype=">u4"))
        raise DataSetError(f"{path} holds {found}, expected {shape}: this is not the original Fashion-MNIST")
    if len(data) != expected:
        what = "cut short" if len(data) < expected else "longer than its header says"
        raise DataSetError(f"{path} is {what}: get the file again")
    return np.frombuffer(data, dtype=np.uint8, offset=len(header)).reshape(shape).copy()
