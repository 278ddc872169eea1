"""Disjoint parts of a labelled data set: for training, for validation, and a reserve exchangeable with validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 2103
"""Fixed, apart from any run's seed: an image of the reserve is in the reserve of every run."""


@dataclass(frozen=True)
class Split:
    """Sorted indices into the data set; the three are disjoint and cover it."""

    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    reserve: NDArray[np.intp]


def split(labels: NDArray[np.integer], *, validation: int, reserve: int) -> Split:
    """Draw class-balanced parts: ``[N]`` true classes, and the sizes of the two held-out parts.

    Each held-out part takes the same number of every class; raises ``ValueError`` where a class has too few samples.
    """
    classes = np.unique(labels)
    if validation % len(classes) or reserve % len(classes):
        raise ValueError(f"the held-out parts ({validation}, {reserve}) must be multiples of {len(classes)} classes")
    v, r = validation // len(classes), reserve // len(classes)
    rng = np.random.default_rng(SPLIT_SEED)
    parts: tuple[list[NDArray[np.intp]], ...] = ([], [], [])
    for label in classes:
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) <= v + r:
            raise ValueError(f"class {label} has {len(members)} samples, too few to hold out {v + r}")
        for part, some in zip(parts, np.split(members, [len(members) - v - r, len(members) - r]), strict=True):
            part.append(some)
    training, held_out, rest = (np.sort(np.concatenate(part)) for part in parts)
    return Split(training, held_out, rest)
