"""Pictures to make data sets of."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


@pytest.fixture
def picture() -> Callable[..., NDArray[np.uint8]]:
    """A picture that a seed decides."""

    def make(seed: int, height: int = 20, width: int = 24, channels: int = 3) -> NDArray[np.uint8]:
        shape = (height, width, 3) if channels == 3 else (height, width)
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def png(picture: Callable[..., NDArray[np.uint8]]) -> Callable[..., bytes]:
    """The same as a file."""

    def make(seed: int, *size: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture(seed, *size)).save(buffer, "PNG")
        return buffer.getvalue()

    return make
