"""Conformal prediction sets with a stated coverage (split conformal, Sadinle, Lei and Wasserman 2019).

The score of a class is ``1 - p(class)``. A set holds every class whose score is at most the threshold of its level, and
always the top class, so it is never empty; that addition can only raise the coverage.
"""

import math
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995)


class ConformalQuantiles(BaseModel):
    """Thresholds of the score at a grid of coverage levels, from ``n`` held-out samples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: Literal["one_minus_probability"] = "one_minus_probability"
    n: int = Field(gt=0)
    levels: tuple[float, ...]
    thresholds: tuple[float, ...]

    @model_validator(mode="after")
    def _grid(self) -> Self:
        if len(self.levels) != len(self.thresholds) or list(self.levels) != sorted(self.levels):
            raise ValueError("levels and thresholds must have the same length, levels ascending")
        return self

    def threshold(self, level: float) -> tuple[float, float]:
        """Nominal coverage and threshold for a requested level: the next level of the grid, or everything above it."""
        for nominal, threshold in zip(self.levels, self.thresholds, strict=True):
            if nominal >= level:
                return nominal, threshold
        return 1.0, 1.0


def fit_conformal(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], levels: Sequence[float] = LEVELS
) -> ConformalQuantiles:
    """Fit on held-out samples: ``[N, K]`` probabilities and ``[N]`` true classes.

    The threshold of a level is the ``ceil((N + 1) * level)``-th smallest score; 1 where that exceeds N.
    """
    scores = np.sort(1 - np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels])
    ranks = [math.ceil((len(scores) + 1) * level) for level in levels]
    return ConformalQuantiles(
        n=len(scores),
        levels=tuple(levels),
        thresholds=tuple(float(scores[rank - 1]) if rank <= len(scores) else 1.0 for rank in ranks),
    )


def prediction_sets(probabilities: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
    """Membership of every class in the set of every sample: ``[N, K]`` probabilities to ``[N, K]`` bool."""
    p = np.asarray(probabilities)
    sets = 1 - p <= threshold
    sets[np.arange(len(p)), p.argmax(axis=1)] = True
    return sets
