"""Near duplicates by their descriptors: what is alike, what is not, and that alike images meet in a cell."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from labels.fashion_mnist import find_fashion_mnist, read_fashion_mnist
from models.perceptual_hash import LENGTH, NEAR, TABLES, cells, describe, is_blank


@pytest.fixture(scope="module")
def items() -> NDArray[np.uint8]:
    """2,000 photographs of clothes, ``[n, 28, 28, 1]``."""
    return read_fashion_mnist(find_fashion_mnist(None)).train_images[:2000, :, :, None]


def distance(a: NDArray[np.int16], b: NDArray[np.int16]) -> NDArray[np.float64]:
    return np.linalg.norm(a.astype(np.float64) - b, axis=-1)


def encoded(image: NDArray[np.uint8], form: str) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, form, quality=60)
    return np.asarray(Image.open(file).convert("L"))[..., None]


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twice as large, and back."""
    picture = Image.fromarray(image[..., 0]).resize((56, 56), Image.Resampling.BICUBIC)
    return np.asarray(picture.resize((28, 28), Image.Resampling.BILINEAR))[..., None]


COPIES = {
    "JPEG": lambda image: encoded(image, "JPEG"),
    "WebP": lambda image: encoded(image, "WebP"),
    "resized": enlarged,
    "brighter": lambda image: np.clip(image * 1.08, 0, 255).astype(np.uint8),
    "lighter": lambda image: np.clip(image.astype(int) + 10, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_found(items: NDArray[np.uint8], name: str) -> None:
    """Of copies saved anew, resized or brightened a little, 96 in a hundred are near and share a cell with theirs."""
    copies = np.stack([COPIES[name](image) for image in items])
    first, second = describe(items), describe(copies)
    together = np.any([cells(first, table) == cells(second, table) for table in range(TABLES)], axis=0)
    assert np.mean((distance(first, second) <= NEAR) & together) >= 0.96


def test_different_clothes_are_told_apart(items: NDArray[np.uint8]) -> None:
    """Trousers all look alike, and still hardly one image in a thousand has a near duplicate that is none."""
    found = describe(items).astype(np.float64)
    squares = (found**2).sum(axis=1)
    squared = squares[:, None] + squares - 2 * found @ found.T
    np.fill_diagonal(squared, np.inf)
    assert np.sum(squared.min(axis=1) <= NEAR**2) <= 2


@pytest.mark.parametrize("shape", [(28, 28, 1), (1, 1, 1), (3, 200, 3), (224, 224, 3)])
def test_images_of_any_size_are_described(shape: tuple[int, int, int]) -> None:
    """A pixel, a stripe and a large image have descriptors, and the same ones alone and among others."""
    images = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    found = describe(images)
    assert found.shape == (5, LENGTH)
    np.testing.assert_array_equal(found[3:4], describe(images[3:4]))
    np.testing.assert_array_equal(describe(images[:0]), found[:0])


def test_the_scale_of_a_copy_matters_little() -> None:
    """A picture at half the size has nearly the same descriptor as at full size."""
    y, x = np.indices((64, 64))
    large = (128 + 60 * np.sin(x / 9) + 50 * np.cos(y / 13))[..., None]
    small = large.reshape(32, 2, 32, 2, 1).mean(axis=(1, 3))
    first, second = (describe(image[None].round().astype(np.uint8)) for image in (large, small))
    assert distance(first, second) < NEAR


def test_colours_and_brightness_are_told_apart() -> None:
    """A red and a blue picture of the same brightness differ, and so do a black and a grey one."""
    red, blue = np.zeros((2, 1, 32, 32, 3), dtype=np.uint8)
    red[..., 0], blue[..., 2] = 95, 249
    assert distance(describe(red), describe(blue)) > NEAR
    black, grey = np.zeros((1, 32, 32, 1), dtype=np.uint8), np.full((1, 32, 32, 1), 60, dtype=np.uint8)
    assert distance(describe(black), describe(grey)) > NEAR
    np.testing.assert_array_equal(describe(grey), describe(np.repeat(grey, 3, axis=3)))


def test_only_images_on_which_nothing_can_be_seen_are_blank(items: NDArray[np.uint8]) -> None:
    """One grey with a little noise is blank whatever the grey; no photograph is, however dark."""
    noise = np.random.default_rng(0).normal(0, 2, (256, 28, 28, 1))
    greys = np.arange(256)[:, None, None, None]
    assert is_blank(describe(np.clip(greys + noise, 0, 255).astype(np.uint8))).all()
    assert not is_blank(describe(items // 4)).any()


def test_cells_depend_on_nothing_but_the_descriptor(items: NDArray[np.uint8]) -> None:
    """A descriptor is in the same cell alone, among others, and in any order."""
    found = describe(items[:500])
    for table in range(TABLES):
        whole = cells(found, table)
        np.testing.assert_array_equal(cells(found[::-1], table), whole[::-1])
        np.testing.assert_array_equal(cells(found[7:8], table), whole[7:8])
