"""Whether a model was trained on an image, by its pixels."""

import hashlib
from pathlib import Path

import numpy as np

from models.training_pixels import load_hashes, pixel_hash, save_hashes, were_trained_on


def test_training_images_are_known_again(tmp_path: Path) -> None:
    """Every training image is recognised from the file, and no other."""
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), dtype=np.uint8)
    save_hashes(tmp_path / "pixels", images[:50])
    known = load_hashes(tmp_path / "pixels")
    assert known.dtype == np.uint64
    assert (np.diff(known) > 0).all()
    asked = np.array([pixel_hash(image) for image in images], dtype=np.uint64)
    assert were_trained_on(asked, known).tolist() == [True] * 50 + [False] * 10


def test_repeated_images_are_kept_once(tmp_path: Path) -> None:
    """The file has each image once; no images make an empty file that can be read."""
    image = np.zeros((4, 4, 1), dtype=np.uint8)
    save_hashes(tmp_path / "pixels", [image, image])
    assert len(load_hashes(tmp_path / "pixels")) == 1
    save_hashes(tmp_path / "pixels", [])
    assert len(load_hashes(tmp_path / "pixels")) == 0


def test_the_hash_is_what_the_format_says() -> None:
    """The hash is the first 8 bytes of a sha256 over three little-endian u32 and the pixels, whatever the layout."""
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    digest = hashlib.sha256(b"\x02\0\0\0\x04\0\0\0\x03\0\0\0" + bytes(range(24))).digest()
    assert pixel_hash(image) == int.from_bytes(digest[:8], "little")
    assert pixel_hash(np.asfortranarray(image)) == pixel_hash(image)
    assert pixel_hash(image.reshape(4, 2, 3)) != pixel_hash(image)
