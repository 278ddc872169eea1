"""Data with known truth: images are points on a line around their class, so that P(class | image) is exact."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from models.groups import SimilarityGroups

CENTRES = np.array([0.0, 2.5, 10.0, 12.5, 20.0, 22.5])  # three pairs of look-alikes; the best classifier has 89 %
CLASSES = ["shirt", "t-shirt", "coat", "pullover", "sandal", "sneaker"]
K = len(CLASSES)


@dataclass(frozen=True)
class Upload:
    probabilities: NDArray[np.float64]
    true: NDArray[np.intp]
    given: NDArray[np.intp]


Simulate = Callable[[int, NDArray[np.float64], int], Upload]


@pytest.fixture(scope="session")
def groups() -> SimilarityGroups:
    return SimilarityGroups.from_lists(CLASSES, [CLASSES[:2], CLASSES[2:4], CLASSES[4:]])


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    def upload(n: int, transition: NDArray[np.float64], seed: int) -> Upload:
        rng = np.random.default_rng(seed)
        true = rng.integers(K, size=n)
        x = CENTRES[true] + rng.standard_normal(n)
        density = np.exp(-0.5 * (x[:, None] - CENTRES) ** 2)
        given = (rng.random(n)[:, None] > np.cumsum(transition[true], axis=1)).sum(axis=1)
        return Upload(density / density.sum(axis=1, keepdims=True), true, given)

    return upload


@pytest.fixture(scope="session")
def validation_counts(simulate: Simulate) -> NDArray[np.float64]:
    clean = simulate(5000, np.eye(K), 99)
    counts = np.zeros((K, K))
    np.add.at(counts, (clean.true, clean.probabilities.argmax(axis=1)), 1)
    return counts


def asymmetric(rate: float) -> NDArray[np.float64]:
    """Noise to the look-alike."""
    transition = np.eye(K) * (1 - rate)
    transition[np.arange(K), np.arange(K) ^ 1] = rate
    return transition


def symmetric(rate: float) -> NDArray[np.float64]:
    """Noise to every other class alike."""
    transition = np.full((K, K), rate / (K - 1))
    np.fill_diagonal(transition, 1 - rate)
    return transition


NOISES = {
    "clean": np.eye(K),
    "asymmetric": asymmetric(0.2),
    "symmetric": symmetric(0.2),
    "mixed": asymmetric(0.1) @ symmetric(0.1),
}


@pytest.fixture(scope="session")
def noises() -> dict[str, NDArray[np.float64]]:
    return NOISES
