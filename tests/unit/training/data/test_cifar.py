"""CIFAR in its published binary layout, with fewer records."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from labels import cifar
from labels.fashion_mnist import DataSetError, DataSetNotFoundError
from training.data import cifar as loading
from training.data.cifar import load_cifar10, load_cifar100

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(autouse=True)
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 and 100 records instead of 50,000 and 10,000."""
    monkeypatch.setattr(cifar, "_TRAIN", 500)
    monkeypatch.setattr(cifar, "_TEST", 100)
    monkeypatch.setattr(loading, "VALIDATION", 100)


def records(n: int, *moduli: int) -> tuple[bytes, NDArray[np.uint8]]:
    """Records labelled ``i % modulus`` and their images ``[n, 32, 32, 3]``."""
    images = np.random.default_rng(n).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    rows = [
        bytes(i % modulus for modulus in moduli) + images[i].transpose(2, 0, 1).tobytes()  # channel by channel
        for i in range(n)
    ]
    return b"".join(rows), images


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for k in range(1, 6):
        (folder / f"data_batch_{k}.bin").write_bytes(records(100, 10)[0])
    (folder / "test_batch.bin").write_bytes(records(100, 10)[0])
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10) + "\n\n")
    return tmp_path


def test_cifar10_is_read_as_published(cifar10: Path) -> None:
    """Images, labels, names and the paper's pairs come out, whether the folder or the one that holds it is named."""
    for place in (cifar10, cifar10 / "cifar-10-batches-bin"):
        data = load_cifar10(place)
        np.testing.assert_array_equal(data.images[:100], records(100, 10)[1])
        np.testing.assert_array_equal(data.labels[:100], np.arange(100) % 10)
        assert (len(data.labels), len(data.test_labels)) == (500, 100)
        assert data.classes == CIFAR10
        assert data.groups.of(0) == ["airplane", "bird"]
        assert data.groups.of(6) == ["frog", "ship"]
        assert (len(data.split.training), len(data.split.validation)) == (400, 100)


def test_cifar100_has_its_superclasses_as_groups(tmp_path: Path) -> None:
    """The coarse labels say which classes are alike."""
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    (folder / "train.bin").write_bytes(records(500, 20, 100)[0])
    (folder / "test.bin").write_bytes(records(100, 20, 100)[0])
    (folder / "fine_label_names.txt").write_text("\n".join(f"fine {i}" for i in range(100)))
    (folder / "coarse_label_names.txt").write_text("\n".join(f"coarse {i}" for i in range(20)))
    data = load_cifar100(tmp_path)
    np.testing.assert_array_equal(data.labels[:200], np.arange(200) % 100)
    assert data.groups.of(7) == ["fine 7", "fine 27", "fine 47", "fine 67", "fine 87"]


def test_a_damaged_file_is_named(cifar10: Path) -> None:
    """A file that is cut short, and a label that is no class, are errors that name the file."""
    batch = cifar10 / "cifar-10-batches-bin" / "data_batch_3.bin"
    whole = batch.read_bytes()
    batch.write_bytes(whole[:-1])
    with pytest.raises(
        DataSetError, match=r"data_batch_3\.bin has 307,299 bytes, expected 307,300: get the file again"
    ):
        load_cifar10(cifar10)
    batch.write_bytes(b"\x0a" + whole[1:])
    with pytest.raises(DataSetError, match=r"data_batch_3\.bin has the label 10, there are 10 classes"):
        load_cifar10(cifar10)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    """Who has only the version for Python is told which archive to get."""
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataSetNotFoundError, match=r"unpack cifar-10-binary\.tar\.gz .* pickles, is not read"):
        load_cifar10(tmp_path)
