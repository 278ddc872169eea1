"""Fashion-MNIST on disk."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from labels.fashion_mnist import (
    CLASSES,
    PAIRS,
    DataSetError,
    DataSetNotFoundError,
    find_fashion_mnist,
    read_fashion_mnist,
)

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def idx(shape: tuple[int, ...], fill: int = 0) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes() + bytes([fill]) * int(np.prod(shape))


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-up")
    for name, count in zip(NAMES, [60_000, 60_000, 10_000, 10_000], strict=True):
        (folder / name).write_bytes(idx((count, 28, 28) if "images" in name else (count,), 3))
    return folder


@pytest.fixture
def plain(tmp_path: Path, made_up: Path) -> Path:
    """A folder of plain files of the right sizes, all values 3."""
    for name in NAMES:
        (tmp_path / name).symlink_to(made_up / name)
    return tmp_path


def test_the_real_data() -> None:
    """The Debian package's files read as the data set that everybody knows: balanced classes, ankle boot first."""
    data = read_fashion_mnist(find_fashion_mnist(None))
    assert data.train_images.shape == (60_000, 28, 28)
    assert data.test_images.shape == (10_000, 28, 28)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int64
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    assert CLASSES[data.train_labels[0]] == "Ankle boot"
    assert data.train_images.flags.writeable


def test_pairs_are_classes() -> None:
    """The similarity pairs name every class exactly once."""
    assert sorted(name for pair in PAIRS for name in pair) == sorted(CLASSES)


def test_plain_and_gzipped(plain: Path) -> None:
    """Plain files and gzipped ones may be mixed."""
    path = plain / NAMES[1]
    (plain / f"{NAMES[1]}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    path.unlink()
    data = read_fashion_mnist(find_fashion_mnist(plain))
    assert (data.train_labels == 3).all()
    assert (data.test_images == 3).all()


def test_torchvision_layout(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder that torchvision filled is found by the folder that was given to torchvision."""
    root = tmp_path_factory.mktemp("data")
    shutil.copytree(plain, root / "FashionMNIST" / "raw", symlinks=True)
    assert find_fashion_mnist(root) == root / "FashionMNIST" / "raw"


def test_not_found_names_the_cures(tmp_path: Path) -> None:
    """Without the data one is told the three ways to get them; a named folder is never silently replaced."""
    with pytest.raises(DataSetNotFoundError) as caught:
        find_fashion_mnist(tmp_path)
    for cure in ["apt-get install dataset-fashion-mnist", "torchvision", "--data DIR", str(tmp_path)]:
        assert cure in str(caught.value)
    with pytest.raises(DataSetNotFoundError, match="train-images-idx3-ubyte"):
        read_fashion_mnist(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (NAMES[2], b"", "no idx file"),
        (NAMES[2], b"<html>not found</html>", "no idx file"),
        (NAMES[2], idx((10_000,)), "no idx file"),
        (NAMES[2], idx((10_000, 28, 28))[:9], "cut short"),
        (NAMES[2], idx((10_000, 28, 28))[:-1], "cut short"),
        (NAMES[2], idx((10_000, 28, 28)) + b"\0", "longer"),
        (NAMES[2], idx((10_000, 32, 32)), r"holds \(10000, 32, 32\), expected \(10000, 28, 28\)"),
        (NAMES[3], idx((10_000,), 10), "label 10"),
        (NAMES[3] + ".gz", gzip.compress(idx((10_000,)))[:-20], "can't be read"),
        (NAMES[3] + ".gz", b"hello", "can't be read"),
    ],
)
def test_wrong_files_are_named(plain: Path, name: str, data: bytes, message: str) -> None:
    """A file that is cut, foreign or impossible is named, with what is wrong."""
    (plain / name.removesuffix(".gz")).unlink()
    (plain / name).write_bytes(data)
    with pytest.raises(DataSetError, match=message) as caught:
        read_fashion_mnist(plain)
    assert name in str(caught.value)
