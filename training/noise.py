"""Label noise with an exact, seeded number of flips (Gare and Galeotti 2021, section 4.1)."""

import re
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError
from models.groups import SimilarityGroups

Kind = Literal["none", "asymmetric", "symmetric", "cifar10-convention"]

CIFAR10_CONVENTION = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
"""The usual asymmetric noise on CIFAR-10 (Patrini et al. 2017): five classes flip, each to one other.

Not the paper's, whose five pairs flip in both directions: at one ratio this corrupts half as many labels, so figures
of the two don't belong into one table.
"""


class NoiseError(LookalikeError):
    """The noise can't be made as asked; the message says why."""


@dataclass(frozen=True)
class Noise:
    """A kind of noise and its ratio in [0, 1]; the text form is ``none``, or for instance ``asymmetric:0.4``."""

    kind: Kind
    ratio: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; raises ``NoiseError``."""
        if text == "none":
            return cls("none")
        kinds: dict[str, Kind] = {kind: kind for kind in ("asymmetric", "symmetric", "cifar10-convention")}
        match = re.fullmatch(r"([a-z0-9-]+):(\d*\.?\d+)", text)
        if not match or match[1] not in kinds or not 0 <= float(match[2]) <= 1:
            raise NoiseError(
                f"noise {text!r} is not none, asymmetric:R, symmetric:R or cifar10-convention:R with R in [0, 1], nor "
                "transition:FILE"
            )
        return cls(kinds[match[1]], float(match[2]))

    def __str__(self) -> str:
        return self.kind if self.kind == "none" else f"{self.kind}:{self.ratio:g}"

    def reach(self, groups: SimilarityGroups) -> NDArray[np.bool_]:
        """Which other classes the label of each class may become, ``[true, given]``; the diagonal is false."""
        size = len(groups.classes)
        others = ~np.eye(size, dtype=bool)
        match self.kind:
            case "none":
                return np.zeros((size, size), dtype=bool)
            case "asymmetric":
                return groups.membership & others
            case "symmetric":
                return others
            case "cifar10-convention":
                if missing := {*CIFAR10_CONVENTION, *CIFAR10_CONVENTION.values()} - set(groups.classes):
                    raise NoiseError(f"{self} is for the classes of CIFAR-10; {min(missing)!r} is not among these")
                return np.array([[CIFAR10_CONVENTION.get(a) == b for b in groups.classes] for a in groups.classes])

    def flip(self, labels: NDArray[np.int64], groups: SimilarityGroups, rng: np.random.Generator) -> NDArray[np.int64]:
        """Give ``round(ratio * n_class)`` samples of every class another label: ``[N]`` true classes to given ones.

        Asymmetric noise takes another member of the class's group (classes that stand alone keep their labels),
        symmetric noise any other class, each equally likely; that of the convention takes the one class it says.
        """
        given = labels.copy()
        reach = self.reach(groups)
        for label in np.unique(labels):
            others = np.flatnonzero(reach[label])
            members = np.flatnonzero(labels == label)
            if others.size:
                chosen = rng.permutation(members)[: round(self.ratio * len(members))]
                given[chosen] = rng.choice(others, size=len(chosen))
        return given
