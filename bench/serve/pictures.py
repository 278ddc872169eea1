"""Real photographs as small JPEGs: crops of the two that come with scikit-learn, 1.1 kB at 32 pixels, 15 kB at 224."""

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

KIT = Path(__file__).resolve().parents[2] / "examples" / "fashion-mnist" / "images"
"""Images for the shipped model, as PNG."""
COUNT = 64
_QUALITY = 90


@cache
def jpegs(size: int) -> tuple[bytes, ...]:
    """``COUNT`` different pictures of ``size`` x ``size`` pixels; the same ones every time."""
    photographs = load_sample_images().images
    rng = np.random.default_rng(0)
    return tuple(_crop(photographs[i % len(photographs)], size, rng) for i in range(COUNT))


def _crop(photograph: np.ndarray, size: int, rng: np.random.Generator) -> bytes:
    height, width, _ = photograph.shape
    side = rng.integers(224, height)
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    picture = Image.fromarray(photograph[top : top + side, left : left + side])
    buffer = io.BytesIO()
    picture.resize((size, size), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
