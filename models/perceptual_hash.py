"""Descriptors by which re-encoded, resized or slightly brightened copies of an image are found.

An image becomes its low frequencies (a cosine transform, as in pHash; Zauner 2010) and not only their signs: those are
alike for many of the trousers of Fashion-MNIST. Two images are nearly equal where the Euclidean distance of their
descriptors is at most ``NEAR``. To find such pairs without comparing all, ``cells`` cuts random projections into steps
(Datar et al. 2004): near duplicates share a cell in at least one of ``TABLES`` tables, with high probability.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_FREQUENCIES = 10
"""Horizontal plus vertical frequency is less than this, in half waves over the image."""
_COLOUR_FREQUENCIES = 3
_UNIT = 1 << 14
"""A descriptor's coordinates are integers, so that sums of them are exact in any order."""
_RADIUS = 0.05
"""Relative root-mean-square difference of the low frequencies."""
_LEVELS = 28
"""Difference of mean brightness, or of colour, in grey levels that alone makes two images different."""
_GAIN = 0.25
"""Difference of contrast, natural logarithm, that alone makes two images different."""
_FAINT = 24
"""Contrast in grey levels below which differences count by their own size, not relative to the contrast."""
_LUMA = np.array([0.299, 0.587, 0.114])

NEAR = round(_RADIUS * _UNIT)
"""Distance of descriptors up to which two images are near duplicates."""
LENGTH = 1 + _FREQUENCIES * (_FREQUENCIES + 1) // 2 + _COLOUR_FREQUENCIES * (_COLOUR_FREQUENCIES + 1)
"""Coordinates of a descriptor: contrast, brightness and low frequencies, those of two colour differences."""
_BLANK = round(float(np.log1p(1 / _FAINT)) / _GAIN * NEAR)
TABLES = 8
_PROJECTIONS = 14
_STEP = round(0.45 * _UNIT)


def describe(images: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Describe images ``[n, H, W, C]`` of 1 or 3 channels and any size: ``[n, LENGTH]``."""
    pixels = images.astype(np.float64)
    grey = pixels[..., 0] if images.shape[3] == 1 else pixels @ _LUMA
    low = _low_frequencies(grey, _FREQUENCIES)
    brightness, shape = low[:, :1], low[:, 1:]
    contrast = np.sqrt((shape**2).sum(axis=1, keepdims=True))
    colours = np.zeros((len(images), LENGTH - 1 - low.shape[1]))
    if images.shape[3] == 3:
        differences = (0.564 * (pixels[..., 2] - grey), 0.713 * (pixels[..., 0] - grey))  # as JPEG's Cb and Cr
        colours = np.hstack([_low_frequencies(each, _COLOUR_FREQUENCIES) for each in differences])
    coordinates = (
        np.log1p(contrast / _FAINT) / _GAIN * _RADIUS,
        brightness / _LEVELS * _RADIUS,
        shape / np.maximum(contrast, _FAINT),
        colours / _LEVELS * _RADIUS,
    )
    descriptors: NDArray[np.int16] = np.rint(np.hstack(coordinates) * _UNIT).astype(np.int16)
    return descriptors


def is_blank(descriptors: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether nothing can be seen on an image, for less than one grey level of contrast: ``[n, LENGTH]`` to ``[n]``."""
    blank: NDArray[np.bool_] = descriptors[:, 0] < _BLANK
    return blank


def cells(descriptors: NDArray[np.int16], table: int) -> NDArray[np.uint64]:
    """Say in which cell of a table, 0 to ``TABLES - 1``, each descriptor is: ``[n, LENGTH]`` to ``[n]``.

    Whatever the order and the number of the descriptors, equal ones are in the same cell.
    """
    signs, offsets, mix = _table(table)
    # A sum of 68 such integers is exact in float32, so that the quick product of matrices may be taken.
    steps = np.floor((descriptors.astype(np.float32) @ signs + offsets) / np.float32(_STEP)).astype(np.int64)
    mixed: NDArray[np.uint64] = steps.astype(np.uint64) @ mix
    return mixed ^ (mixed >> np.uint64(29))


@cache
def _table(table: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint64]]:
    rng = np.random.default_rng(table)
    signs = rng.integers(0, 2, (LENGTH, _PROJECTIONS)) * 2 - 1  # as good as normal ones (Achlioptas 2003)
    offsets = rng.integers(0, _STEP, _PROJECTIONS)
    mix = rng.integers(0, 1 << 63, _PROJECTIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return signs.astype(np.float32), offsets.astype(np.float32), mix


def _low_frequencies(planes: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Cosine transform: ``[n, H, W]`` to ``[n, count * (count + 1) / 2]``, as root mean squares over the pixels."""
    height, width = planes.shape[1:]
    both = _cosines(height, count) @ planes @ _cosines(width, count).T / np.sqrt(height * width)
    low: NDArray[np.float64] = both[:, *_triangle(count)]
    return low


@cache
def _cosines(length: int, count: int) -> NDArray[np.float64]:
    """Orthonormal rows; zeros for frequencies that so few pixels don't have."""
    frequency = np.arange(count)[:, None]
    rows = np.cos(np.pi * (np.arange(length) + 0.5) * frequency / length) * np.sqrt(2 / length)
    rows[0] = np.sqrt(1 / length)
    return np.where(frequency < length, rows, 0.0)


@cache
def _triangle(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    vertical, horizontal = np.indices((count, count))
    order = np.argsort((vertical + horizontal).ravel(), kind="stable")[: count * (count + 1) // 2]
    return order // count, order % count
