"""How far the classes that a model has predicted of late are from those it predicted on its validation data."""

import math
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest

WINDOW = 10_000
"""Images: so many of the latest count."""


class Drift(NamedTuple):
    """The share of predictions that would have to be of another class for the two to agree, and what to think of it."""

    distance: float
    """In [0, 1]: total variation distance, half the sum of the differences of the classes' shares."""
    by_chance: float
    """In [0, 1]: what to expect of it where nothing has changed, by the numbers of images on both sides."""
    images: int
    """How many of the latest predictions were compared."""


class ClassDrift:
    """Compares predictions with those on validation data, whose counts are in the manifest.

    A shift of the predicted classes is what a shift of the true ones shows itself by, where images of a class look as
    they did (Lipton, Wang and Smola 2018, arXiv:1802.03916); it needs no labels. ``saw`` and ``measure`` may be called
    from different threads.
    """

    def __init__(self, expected: NDArray[np.int64]) -> None:
        """``expected`` ``[K]``: how often each class was predicted on the validation data; at least once in all."""
        self._validated = int(expected.sum())
        self._expected = expected / self._validated
        self._latest: deque[int] = deque(maxlen=WINDOW)

    @classmethod
    def of(cls, manifest: Manifest) -> Self | None:
        """None where there is nothing to compare with: the model is not calibrated."""
        counts = manifest.validation_counts
        return None if counts is None else cls(counts.sum(axis=0))

    def saw(self, classes: Iterable[int]) -> None:
        """Take in the top classes of some images."""
        self._latest.extend(classes)

    def measure(self) -> Drift | None:
        """Compare; None before the first image.

        By chance, a share p of n images differs from that of m others by a normal deviate of variance
        ``p (1 - p) (1 / n + 1 / m)``, the mean size of which is its standard deviation times ``sqrt(2 / pi)``.
        """
        counts = Counter(self._latest.copy())
        images = counts.total()
        if not images:
            return None
        shares = np.array([counts[k] for k in range(len(self._expected))]) / images
        p = (self._expected * self._validated + shares * images) / (self._validated + images)
        deviations = np.sqrt(p * (1 - p) * (1 / images + 1 / self._validated))
        return Drift(
            distance=float(np.abs(shares - self._expected).sum() / 2),
            by_chance=min(float(deviations.sum()) * math.sqrt(2 / math.pi) / 2, 1.0),
            images=images,
        )
