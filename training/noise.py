"""Label noise with an exact, seeded number of flips (Gare and Galeotti 2021, section 4.1)."""

import re
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError
from models.groups import SimilarityGroups


class NoiseError(LookalikeError):
    """The noise can't be made as asked; the message says why."""


@dataclass(frozen=True)
class Noise:
    """A kind of noise and its ratio in [0, 1]; the text form is ``none``, ``asymmetric:0.4`` or ``symmetric:0.2``."""

    kind: Literal["none", "asymmetric", "symmetric"]
    ratio: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; raises ``NoiseError``."""
        if text == "none":
            return cls("none")
        match = re.fullmatch(r"(asymmetric|symmetric):(\d*\.?\d+)", text)
        if not match or not 0 <= float(match[2]) <= 1:
            raise NoiseError(f"noise {text!r} is not none, asymmetric:R or symmetric:R with R in [0, 1]")
        return cls("asymmetric" if match[1] == "asymmetric" else "symmetric", float(match[2]))

    def __str__(self) -> str:
        return self.kind if self.kind == "none" else f"{self.kind}:{self.ratio:g}"


def flip(
    labels: NDArray[np.int64], noise: Noise, groups: SimilarityGroups, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Give ``round(ratio * n_class)`` samples of every class another label: ``[N]`` true classes to ``[N]`` given ones.

    Asymmetric noise takes another member of the class's group (classes that stand alone keep their labels), symmetric
    noise any other class, each equally likely.
    """
    given = labels.copy()
    if noise.kind == "none":
        return given
    everyone = np.ones_like(groups.membership)
    reach = groups.membership if noise.kind == "asymmetric" else everyone
    for label in np.unique(labels):
        others = np.setdiff1d(np.flatnonzero(reach[label]), label)
        members = np.flatnonzero(labels == label)
        if others.size:
            chosen = rng.permutation(members)[: round(noise.ratio * len(members))]
            given[chosen] = rng.choice(others, size=len(chosen))
    return given
