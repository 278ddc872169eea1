"""From what a model learned of noisy labels to the true classes.

A model fitted on the very labels that are audited predicts the label, not the truth: where a fifth of the shirts are
called T-shirts it is at most four-fifths sure, and between look-alikes its odds are flatter than between other
classes. Its ranking of the classes is hardly bent, its scale is. So the scale is made anew: with
l = log p, m_y = the mean of l over the classes confusable with y (y among them) and d = l - m,

    P(true = y | image) is proportional to exp(between * m_y + within_y * d_y + bias_y),

and the parameters are those under which a transition matrix explains the given labels best
(``audit/cross_validated.py``). Inverting the transition matrix instead would blow up the model's errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.evidence import LEAST_PROBABILITY


@dataclass(frozen=True)
class Unnoising:
    """The change of scale; K classes. ``apply`` works row by row."""

    floor: float
    """A probability below it is taken as it: half the smallest positive one that the model gave, at most."""
    confusable: NDArray[np.bool_]
    """``[K, K]``, diagonal true: ``m_y`` is the mean over row y."""
    between: float
    within: NDArray[np.float64]
    """``[K]``, not negative; of no effect where a class is confusable with itself alone."""
    bias: NDArray[np.float64]
    """``[K]``."""

    def apply(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """P(label | image) ``[n, K]`` to P(true class | image), rows sum to 1."""
        means, rest = parts(probabilities, self.confusable, self.floor)
        means *= self.between
        rest *= self.within
        means += rest
        means += self.bias
        return softmax(means)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return plain arrays, from which ``from_arrays`` makes the same again."""
        return {
            "floor": np.array(self.floor),
            "confusable": self.confusable.astype(np.float64),
            "between": np.array(self.between),
            "within": self.within,
            "bias": self.bias,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """Read what ``to_arrays`` gave."""
        return cls(
            floor=float(arrays["floor"]),
            confusable=arrays["confusable"].astype(bool),
            between=float(arrays["between"]),
            within=arrays["within"],
            bias=arrays["bias"],
        )


def floor_of(probabilities: NDArray[np.floating]) -> float:
    """Return half of the smallest positive probability: a 0 is one that was rounded, or too small for its type."""
    smallest = float(probabilities.min(where=probabilities > 0, initial=np.inf))
    return max(smallest / 2, LEAST_PROBABILITY) if np.isfinite(smallest) else LEAST_PROBABILITY


def parts(
    probabilities: NDArray[np.floating], confusable: NDArray[np.bool_], floor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return m and d, ``[n, K]`` each, of the logarithms of ``probabilities``."""
    rest = _logs(probabilities, floor)
    means = rest.copy()
    owners: dict[bytes, list[int]] = {}
    for y in np.flatnonzero(confusable.sum(axis=1) > 1).tolist():
        owners.setdefault(confusable[y].tobytes(), []).append(y)
    for classes in owners.values():
        means[:, classes] = rest[:, confusable[classes[0]]].mean(axis=1, keepdims=True)
    rest -= means
    return means, rest


def parts_of(
    probabilities: NDArray[np.floating], classes: NDArray[np.intp], confusable: NDArray[np.bool_], floor: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return m and d of some ``classes`` ``[n, C]`` of each row, ``[n, C]`` each."""
    sizes = confusable.sum(axis=1)
    members = np.argsort(~confusable, axis=1, kind="stable")
    means = np.zeros(classes.shape)
    for place in range(int(sizes.max())):
        logs = _logs(np.take_along_axis(probabilities, members[classes, place], axis=1), floor)
        means += np.where(place < sizes[classes], logs, 0.0)
    means /= sizes[classes]
    return means, _logs(np.take_along_axis(probabilities, classes, axis=1), floor) - means


def _logs(probabilities: NDArray[np.floating], floor: float) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities, floor, dtype=np.float64))
    return logs


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overwrite ``logits`` ``[n, K]`` with probabilities, rows sum to 1."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
