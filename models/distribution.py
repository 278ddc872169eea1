"""Logits to probabilities: temperature scaling (Guo et al. 2017) at the level of groups and inside them."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.groups import SimilarityGroups


class Temperature(BaseModel):
    """Logits are divided by ``group`` to weigh groups against each other, by ``within`` to weigh a group's members.

    Equal values are ordinary temperature scaling; different ones need groups that partition the classes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: float = Field(gt=0)
    within: float = Field(gt=0)

    @classmethod
    def single(cls, value: float) -> Self:
        """One temperature for both levels."""
        return cls(group=value, within=value)


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Softmax over the last axis of ``logits / temperature``, in float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled


def class_probabilities(
    logits: NDArray[np.floating], groups: SimilarityGroups, temperature: Temperature
) -> NDArray[np.float64]:
    """Calibrated probabilities of the classes: ``[N, K]`` logits to ``[N, K]`` float64, rows sum to 1.

    With two temperatures, ``P(class) = P(group; temperature.group) * P(class | group; temperature.within)``.
    """
    if temperature.group == temperature.within:
        return softmax(logits, temperature.group)
    if not groups.is_partition:
        raise ValueError("two temperatures need groups that partition the classes")
    order, starts, group = groups.runs
    scaled = np.asarray(logits, dtype=np.float64) / temperature.within
    weights = np.exp(scaled - np.maximum.reduceat(scaled[:, order], starts, axis=1)[:, group])
    mass = np.add.reduceat(softmax(logits, temperature.group)[:, order], starts, axis=1)
    within: NDArray[np.float64] = weights / np.add.reduceat(weights[:, order], starts, axis=1)[:, group]
    probabilities: NDArray[np.float64] = mass[:, group] * within
    return probabilities


def group_probabilities(probabilities: NDArray[np.floating], groups: SimilarityGroups) -> NDArray[np.float64]:
    """For each class the mass of its group: ``[N, K]`` to ``[N, K]``."""
    p = np.asarray(probabilities, dtype=np.float64)
    if groups.is_partition:
        order, starts, group = groups.runs
        mass: NDArray[np.float64] = np.add.reduceat(p[:, order], starts, axis=1)[:, group]
        return mass
    return p @ groups.membership.T.astype(np.float64)
