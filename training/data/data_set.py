"""What a data set is to training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labels.splits import Split
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec
from training.data.pictures import Pictures

MIN_HELD_OUT = 2
"""Fewest held-out samples of each class by which a model can be calibrated: half of them give embedding statistics."""


@dataclass(frozen=True, eq=False)  # arrays have no one truth value
class Trust:
    """Who vouches for labels that came as they are, all ``[N]``."""

    trusted: NDArray[np.bool_]
    """Whether the label was verified."""
    original: NDArray[np.int64]
    """What the label said before that; elsewhere the label."""


@dataclass(frozen=True, eq=False)
class DataSet:
    """A labelled data set as model inputs: images uint8 ``[N, H, W, C]``, classes int64 ``[N]``.

    ``split`` divides the training images; the test images serve for the last figure alone, and may be none.
    """

    name: str
    classes: tuple[str, ...]
    groups: SimilarityGroups
    input: InputSpec
    images: Pictures
    labels: NDArray[np.int64]
    split: Split
    test_images: Pictures
    test_labels: NDArray[np.int64]
    trust: Trust | None = None
    """None: all labels are right, and a run makes its noise and its trusted set itself."""
    warnings: tuple[str, ...] = ()
    """What a person should know of the data, in whole sentences."""
