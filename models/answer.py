"""The answer for one image: a distribution that knows its similarity groups."""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.conformal import prediction_sets
from models.distribution import class_probabilities, group_probabilities
from models.embedding import EmbeddingStatistics
from models.manifest import Manifest

DEFAULT_LEVEL = 0.95
DEFAULT_TOP_K = 5
_DECIMALS = 6


class Group(BaseModel):
    """A similarity group and its mass."""

    classes: list[str]
    probability: float


class TopGroup(Group):
    """The group of the top class, with the distribution inside it."""

    within: dict[str, float]


class Decision(BaseModel):
    """The finest level at which the model is sure: its probability reaches the caller's level.

    At level ``none`` no classes are named and the probability is that of the top class's group, which did not reach it.
    """

    level: Literal["class", "group", "none"]
    classes: list[str]
    probability: float


class PredictionSet(BaseModel):
    """Classes that hold the true one with the nominal coverage."""

    coverage: float
    classes: list[str]


class Prediction(BaseModel):
    """What the model says of one image. Classes are listed by falling probability."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    top_class: str = Field(alias="class")
    probability: float
    decision: Decision
    group: TopGroup
    groups: list[Group]
    prediction_set: PredictionSet | None
    """None where the model is not calibrated: no coverage can be promised."""
    outlier: bool | None
    """None where the model is not calibrated: nobody knows its ordinary images."""
    probabilities: dict[str, float]


def predictions(
    logits: NDArray[np.float32],
    embeddings: NDArray[np.float32],
    manifest: Manifest,
    statistics: EmbeddingStatistics,
    *,
    level: float = DEFAULT_LEVEL,
    top_k: int = DEFAULT_TOP_K,
) -> list[Prediction]:
    """Turn a batch's ``[N, K]`` logits and ``[N, D]`` embeddings into answers.

    ``level`` in (0, 1] is the probability at which the caller calls an answer sure, and the coverage of the prediction
    set; ``top_k`` bounds how many classes ``probabilities`` lists. Without calibration the probabilities are the
    softmax of the logits.
    """
    groups, classes = manifest.similarity_groups, manifest.classes
    probabilities = class_probabilities(logits, groups, manifest.temperature)
    masses = group_probabilities(probabilities, groups)
    sets = _sets(probabilities, manifest, level)
    outliers = statistics.is_outlier(embeddings)

    answers = []
    for p, mass, in_set, outlier in zip(probabilities.tolist(), masses, sets, outliers, strict=True):
        ranked = sorted(range(len(p)), key=p.__getitem__, reverse=True)
        top = ranked[0]
        members = _ranked(np.flatnonzero(groups.membership[top]), p)
        group = TopGroup(
            classes=[classes[k] for k in members],
            probability=_round(mass[top]),
            within={classes[k]: _round(p[k] / mass[top]) for k in members},
        )
        all_groups = [
            Group(classes=[classes[k] for k in _ranked(each, p)], probability=_round(sum(p[k] for k in each)))
            for each in groups.distinct()
        ]
        answers.append(
            Prediction(
                top_class=classes[top],
                probability=_round(p[top]),
                decision=_decide(classes[top], p[top], group, mass[top], level),
                group=group,
                groups=sorted(all_groups, key=lambda each: -each.probability),
                prediction_set=in_set,
                outlier=None if manifest.calibration is None else bool(outlier),
                probabilities={classes[k]: _round(p[k]) for k in ranked[:top_k]},
            )
        )
    return answers


def _sets(probabilities: NDArray[np.float64], manifest: Manifest, level: float) -> list[PredictionSet | None]:
    if manifest.calibration is None:
        return [None] * len(probabilities)
    coverage, threshold = manifest.calibration.conformal.threshold(level)
    members = prediction_sets(probabilities, threshold)
    return [
        PredictionSet(coverage=coverage, classes=[manifest.classes[k] for k in _ranked(np.flatnonzero(inside), p)])
        for inside, p in zip(members, probabilities.tolist(), strict=True)
    ]


def _decide(top_class: str, probability: float, group: TopGroup, mass: float, level: float) -> Decision:
    # Both levels are judged before rounding: a class that stands alone must not pass as its own group.
    if probability >= level:
        return Decision(level="class", classes=[top_class], probability=_round(probability))
    if mass >= level:
        return Decision(level="group", classes=group.classes, probability=group.probability)
    return Decision(level="none", classes=[], probability=group.probability)


def _ranked(members: Iterable[int], p: list[float]) -> list[int]:
    return sorted(map(int, members), key=lambda k: -p[k])


def _round(value: float) -> float:
    return round(float(value), _DECIMALS)
