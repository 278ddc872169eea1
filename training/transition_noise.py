"""Label noise by a transition matrix that a person sets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from models.groups import SimilarityGroups
from training.noise import Noise, NoiseError

_PREFIX = "transition:"


@dataclass(frozen=True)
class TransitionNoise:
    """Noise by the rates in a file; the text form is ``transition:FILE``."""

    path: Path

    def __str__(self) -> str:
        return f"{_PREFIX}{self.path}"

    def flip(self, labels: NDArray[np.int64], groups: SimilarityGroups, rng: np.random.Generator) -> NDArray[np.int64]:
        """``[N]`` true classes to ``[N]`` given ones, by ``flip_by_transition``; raises ``NoiseError``."""
        return flip_by_transition(labels, read_transition(self.path, groups.classes), rng)


def parse_noise(text: str) -> Noise | TransitionNoise:
    """Read the text form of either; raises ``NoiseError``."""
    return TransitionNoise(Path(text.removeprefix(_PREFIX))) if text.startswith(_PREFIX) else Noise.parse(text)


class _TransitionFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    classes: list[str]
    rates: list[list[float]]


def read_transition(path: Path, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Read ``{"classes": [..], "rates": [[..]]}``: row = true class, column = given one, rows sum to 1.

    Returns ``[true, given]`` in the order of ``classes``; raises ``NoiseError`` naming the row that is wrong.
    """
    try:
        document = _TransitionFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise NoiseError(f"{path.name}: {where}: {first['msg']}") from error
    if sorted(document.classes) != sorted(classes):
        raise NoiseError(f"{path.name}: classes must be {', '.join(map(repr, classes))}, each once")
    size = len(classes)
    if [len(row) for row in document.rates] != [size] * size:
        raise NoiseError(f"{path.name}: rates must be {size} rows of {size} numbers")
    rates = np.array(document.rates)
    for name, row in zip(document.classes, rates, strict=True):
        if not ((row >= 0).all() and abs(row.sum() - 1) < 1e-6):
            raise NoiseError(f"{path.name}: the row of {name!r} is not a distribution (entries in [0, 1], sum 1)")
    order = [document.classes.index(name) for name in classes]
    ordered: NDArray[np.float64] = rates[np.ix_(order, order)]
    return ordered


def flip_by_transition(
    labels: NDArray[np.int64], rates: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Label samples by rates ``[true, given]``: ``[N]`` true classes to ``[N]`` given ones.

    The numbers are exact: of each class's samples, those given each label are as many as its rate says, rounded down or
    up so that all have one.
    """
    given = labels.copy()
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        shares = rates[label] * len(members)
        counts = np.floor(shares + 1e-9).astype(int)
        left = len(members) - counts.sum()
        counts[np.argsort(counts - shares, kind="stable")[:left]] += 1
        given[members] = np.repeat(np.arange(len(rates)), counts)
    return given
