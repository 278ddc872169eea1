"""Is the noise asymmetric? A test that the model's own confusion cannot fool.

The joint counts of true and given label are estimated in one of two ways (``audit/joint.py``). From them comes the
*excess*: the flips inside the similarity groups beyond the share that symmetric noise would put there,

    D = sum over y of (flips from y to its mates - m_y / (K - 1) x all flips from y),  m_y = number of mates of y.

Under symmetric noise and under no noise D is 0, however often the model itself confuses the classes of a group.
The statement holds for images from the distribution of the validation data; under a shift D stays near 0, the
noise rate less so.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.interval import Interval

Verdict = Literal["asymmetric", "symmetric", "clean", "insufficient"]

LEAST_ROWS = 500
LEAST_EXCESS = 0.005  # minimum effect, a share of the rows
LEAST_EXCESS_UNCORRECTED = 0.01  # without validation counts: anchors see an excess of .003 in clean labels
CLEAN_RATE = 0.005


@dataclass(frozen=True)
class Asymmetry:
    """The verdict and the excess it rests on, as a share of the scored rows."""

    verdict: Verdict
    excess: Interval


def excess_in_group(joint: NDArray[np.float64], membership: NDArray[np.bool_]) -> float:
    """Return D of ``joint`` ``[true, given]`` in the joint's own unit; the mates of y are G_y without y."""
    K = len(joint)
    mates = membership & ~np.eye(K, dtype=bool)
    flips = joint.sum(axis=1) - joint.diagonal()
    return float(joint[mates].sum() - (mates.sum(axis=1) / (K - 1)) @ flips)


def noise_in(joint: NDArray[np.float64]) -> float:
    """Return the flips of ``joint`` ``[true, given]``, in the joint's own unit; negative if chance has it so."""
    return float(joint.sum() - joint.trace())


def are_telling(membership: NDArray[np.bool_]) -> bool:
    """Whether some pairs of classes lie inside the groups and some outside; else D is 0 by what it is."""
    pairs = membership[~np.eye(len(membership), dtype=bool)]
    return bool(pairs.any() and not pairs.all())


def judge(
    rows: int, excess: Interval, noise_rate: Interval, membership: NDArray[np.bool_], *, corrected: bool
) -> Asymmetry:
    """Decide; ``corrected`` says that the joint was corrected with validation counts.

    Without groups, or with all classes in one, noise is never called symmetric: the excess couldn't have shown it.
    """
    verdict: Verdict
    if rows < LEAST_ROWS:
        verdict = "insufficient"
    elif excess.low > (LEAST_EXCESS if corrected else LEAST_EXCESS_UNCORRECTED):
        verdict = "asymmetric"
    elif noise_rate.low <= CLEAN_RATE:
        verdict = "clean"
    elif not are_telling(membership):
        verdict = "insufficient"
    else:
        verdict = "symmetric"
    return Asymmetry(verdict, excess)
