"""Folders of classes, in ImageNet's layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labels.errors import LabelFileError
from training.data.image_folder import load_image_folder
from training.data.pictures import PictureError

Png = Callable[..., bytes]


@pytest.fixture
def imagenet(tmp_path: Path, png: Png) -> Path:
    """Two classes of 20 training pictures and three of validation, of different sizes."""
    for part, n in (("train", 20), ("val", 3)):
        for k, name in enumerate(("n01440764", "n01443537")):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                (folder / f"{name}_{i}.JPEG").write_bytes(png(100 * k + i, 30 + i, 40))
    return tmp_path


def test_training_and_test_are_told_by_their_folders(imagenet: Path) -> None:
    """`train` is learnt from, a tenth of it held out, `val` is the test; the folders are the classes."""
    data = load_image_folder(imagenet, size=32, bad_images="stop")
    assert data.classes == ("n01440764", "n01443537")
    assert (len(data.labels), len(data.test_labels)) == (40, 6)
    np.testing.assert_array_equal(np.bincount(data.labels[data.split.validation]), [2, 2])
    assert data.trust is None
    assert data.images[:].shape == (40, 32, 32, 3)
    assert (data.input.resize, data.input.channels) == (32, 3)


def test_large_inputs_are_the_centre(imagenet: Path) -> None:
    """At 224 pixels the shorter side becomes 256, as is usual for ImageNet."""
    data = load_image_folder(imagenet, size=224, bad_images="stop")
    assert (data.input.height, data.input.resize) == (224, 256)


def test_a_size_is_asked_for(imagenet: Path) -> None:
    """Pictures of many sizes need to be told what size the network sees."""
    with pytest.raises(PictureError, match="for instance --size 224"):
        load_image_folder(imagenet, size=None, bad_images="stop")


def test_a_corrupt_picture_stops_or_is_left_out(imagenet: Path) -> None:
    """A picture that can't be read is named; asked to skip, loading goes on without it and says so."""
    broken = imagenet / "train" / "n01443537" / "n01443537_7.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(PictureError, match=r"'train/n01443537/n01443537_7\.JPEG' can't be read: .*--bad-images skip"):
        load_image_folder(imagenet, size=32, bad_images="stop")
    data = load_image_folder(imagenet, size=32, bad_images="skip")
    assert len(data.labels) == 39
    assert data.warnings == ("1 of 46 images can't be read and are left out: 'train/n01443537/n01443537_7.JPEG'.",)


def test_a_class_that_is_only_tested_is_named(imagenet: Path, png: Png) -> None:
    """A class without training pictures is an error that names it."""
    folder = imagenet / "val" / "n99999999"
    folder.mkdir()
    (folder / "a.JPEG").write_bytes(png(1))
    with pytest.raises(LabelFileError, match="no training image is of class 'n99999999'"):
        load_image_folder(imagenet, size=32, bad_images="stop")
