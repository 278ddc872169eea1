"""The answer for one image: a distribution that knows its similarity groups.

Answers are plain dictionaries, checked by their type alone: a service that gives thousands a second has no time to
build and validate objects that it writes out as JSON at once.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from models.manifest import Manifest
from models.scores import Scores

DEFAULT_LEVEL = 0.95
DEFAULT_TOP_K = 5
_DECIMALS = 6


class Group(TypedDict):
    """A similarity group and its mass."""

    classes: list[str]
    probability: float


class TopGroup(Group):
    """The group of the top class, with the distribution inside it."""

    within: dict[str, float]


class Decision(TypedDict):
    """The finest level at which the model is sure: its probability reaches the caller's level.

    At level ``none`` no classes are named and the probability is that of the top class's group, which did not reach it.
    """

    level: Literal["class", "group", "none"]
    classes: list[str]
    probability: float


class PredictionSet(TypedDict):
    """Classes that hold the true one with the nominal coverage."""

    coverage: float
    classes: list[str]


# ``class`` is a word of the language. Where the model is not calibrated ``prediction_set`` and ``outlier`` are None: no
# coverage can be promised, and nobody knows its ordinary images.
Prediction = TypedDict(
    "Prediction",
    {
        "class": str,
        "probability": float,
        "decision": Decision,
        "group": TopGroup,
        "groups": list[Group],
        "prediction_set": PredictionSet | None,
        "outlier": bool | None,
        "probabilities": dict[str, float],
    },
)
Prediction.__doc__ = "What the model says of one image. Classes are listed by falling probability."


class Answers:
    """Words one model's scores as answers."""

    def __init__(self, manifest: Manifest) -> None:
        self._classes = manifest.classes
        self._conformal = None if manifest.calibration is None else manifest.calibration.conformal
        by_class = [tuple(_members(row)) for row in manifest.similarity_groups.membership]
        index = {members: g for g, members in enumerate(dict.fromkeys(by_class))}
        self._groups = list(index)
        """Each different group once, as class indices."""
        self._group_of = [index[members] for members in by_class]
        self._named_by = [by_class.index(members) for members in self._groups]
        """Of each group a class whose group it is."""

    def of(self, scores: Scores, *, level: float = DEFAULT_LEVEL, top_k: int = DEFAULT_TOP_K) -> list[Prediction]:
        """Answer for each image.

        ``level`` in (0, 1] is the probability at which the caller calls an answer sure, and the coverage of the
        prediction set; ``top_k`` bounds how many classes ``probabilities`` lists.
        """
        coverage, greatest = self._coverage(level)
        rows = zip(
            scores.ranking.tolist(),
            scores.probabilities.tolist(),
            scores.group_probabilities.tolist(),
            scores.outliers.tolist(),
            strict=True,
        )
        answers = []
        for ranked, p, mass_of, outlier in rows:
            answer = self._answer(ranked, p, [mass_of[a] for a in self._named_by], level, top_k)
            if self._conformal is not None:
                answer["prediction_set"] = {"coverage": coverage, "classes": self._set(ranked, p, greatest)}
                answer["outlier"] = outlier
            answers.append(answer)
        return answers

    def _answer(self, ranked: list[int], p: list[float], masses: list[float], level: float, top_k: int) -> Prediction:
        classes, top = self._classes, ranked[0]
        own = self._group_of[top]
        members, mass = _ranked(self._groups[own], p), masses[own]
        group: TopGroup = {
            "classes": [classes[k] for k in members],
            "probability": _round(mass),
            "within": {classes[k]: _round(p[k] / mass) for k in members},
        }
        by_mass = sorted(range(len(masses)), key=masses.__getitem__, reverse=True)
        return {
            "class": classes[top],
            "probability": _round(p[top]),
            "decision": _decide(classes[top], p[top], group, mass, level),
            "group": group,
            "groups": [
                {"classes": [classes[k] for k in _ranked(self._groups[g], p)], "probability": _round(masses[g])}
                for g in by_mass
            ],
            "prediction_set": None,
            "outlier": None,
            "probabilities": {classes[k]: _round(p[k]) for k in ranked[:top_k]},
        }

    def _coverage(self, level: float) -> tuple[float, float]:
        """Nominal coverage of the sets at a level, and the greatest score in them."""
        return (0.0, 0.0) if self._conformal is None else self._conformal.threshold(level)

    def _set(self, ranked: list[int], p: list[float], greatest: float) -> list[str]:
        """Names of the classes in the prediction set, as ``models.conformal.prediction_sets`` chooses them."""
        return [self._classes[k] for k in ranked[:1]] + [self._classes[k] for k in ranked[1:] if 1 - p[k] <= greatest]


def _decide(top_class: str, probability: float, group: TopGroup, mass: float, level: float) -> Decision:
    # Both levels are judged before rounding: a class that stands alone must not pass as its own group.
    if probability >= level:
        return {"level": "class", "classes": [top_class], "probability": _round(probability)}
    if mass >= level:
        return {"level": "group", "classes": group["classes"], "probability": group["probability"]}
    return {"level": "none", "classes": [], "probability": group["probability"]}


def _members(row: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(row).tolist()


def _ranked(members: Iterable[int], p: list[float]) -> list[int]:
    return sorted(members, key=p.__getitem__, reverse=True)


def _round(value: float) -> float:
    return round(value, _DECIMALS)
