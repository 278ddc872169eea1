"""How the labels of an upload came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.recalibration import Recalibration

RULED_OUT = 0.01

Arrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class NoiseModel:
    """Two channels: confusion of classes, and slips on images that are hard. K classes.

    A row's true class y has probability pi[y], the model's recalibrated answer. With probability ``1 - weight`` the
    image was taken for what it is, h = y; with probability ``weight`` by an annotator who sees what the model sees,
    less sharply, for class h with probability ``view(pi, sharpness)[h]``, whatever the true class is. The label is
    drawn from ``transition[h]``.
    """

    recalibration: Recalibration
    transition: NDArray[np.float64]
    """``[true, given]``, rows sum to 1, no entry is 0."""
    weight: float
    """Share of the images that the annotator looked at; 0 where the labels don't ask for one."""
    weight_error: float
    """Standard error of ``weight``; where it is 0, of how large it could be and go unnoticed."""
    slip_error: float
    """Share of images that the annotator takes for something else."""
    sharpness: float
    """Exponent of the annotator, above 0; 1 would be the model itself."""
    standouts: NDArray[np.bool_]
    """``[true, given]``: pairs outside the groups that flip so often that they have a rate of their own."""
    other_rates: tuple[float, ...]
    """The noise rate by annotators of other sharpness: what the labels can't tell apart belongs into the interval."""
    log_likelihood: float
    """Of the fitted rows' labels."""

    def annotator(self, pi: NDArray[np.float64], given: NDArray[np.intp]) -> NDArray[np.float64]:
        """Probability ``[n]`` of the labels given where the annotator looked; ``pi`` is ``[n, K]``."""
        likelihood: NDArray[np.float64] = np.einsum(
            "nk,nk->n", view(pi, self.sharpness), self.transition.T[given], optimize=False
        )
        return likelihood

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays, from which ``from_arrays`` makes the same again."""
        scalars = ("weight", "weight_error", "slip_error", "sharpness", "log_likelihood")
        return {
            **self.recalibration.to_arrays(),
            **{name: np.array(getattr(self, name)) for name in scalars},
            "transition": self.transition,
            "standouts": self.standouts.astype(np.float64),
            "other_rates": np.array(self.other_rates),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Read what ``to_arrays`` gave."""
        return cls(
            recalibration=Recalibration.from_arrays(arrays),
            transition=arrays["transition"],
            weight=float(arrays["weight"]),
            weight_error=float(arrays["weight_error"]),
            slip_error=float(arrays["slip_error"]),
            sharpness=float(arrays["sharpness"]),
            standouts=arrays["standouts"].astype(bool),
            other_rates=tuple(arrays["other_rates"].tolist()),
            log_likelihood=float(arrays["log_likelihood"]),
        )


def view(pi: NDArray[np.float64], sharpness: float) -> NDArray[np.float64]:
    """What an annotator takes n images for, ``[n, K]``: the model's odds, to the power of ``sharpness``.

    Between classes that the model holds for less probable than ``RULED_OUT`` the odds stay: who errs where an image is
    hard errs between the classes that it may be.
    """
    possible = np.maximum(pi, RULED_OUT)
    blurred: NDArray[np.float64] = pi / (np.sqrt(possible) if sharpness == 0.5 else possible ** (1 - sharpness))
    blurred /= blurred.sum(axis=1, keepdims=True)
    return blurred


def slip_error(pi: NDArray[np.float64], sharpness: float) -> float:
    """Return how often an annotator of this sharpness errs on images of these posteriors ``[n, K]``."""
    return float(1 - np.einsum("nk,nk->n", pi, view(pi, sharpness)).mean())
