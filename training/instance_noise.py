"""Label noise that gathers on the images which a model finds hard."""

import numpy as np
from numpy.typing import NDArray


def flip_by_confusion(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    ratio: float,
    reach: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Give ``round(ratio * n_class)`` samples of every class another label: ``[N]`` true classes to ``[N]`` given ones.

    A sample's chance to be among them is in proportion to what the model, ``[N, K]``, sees in it of the classes within
    ``reach`` (bool ``[true, given]``), and it is given one of these, each in proportion to what is seen of it. The
    number is exact where so many samples are mistakable at all.
    """
    given = labels.copy()
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        seen = np.where(reach[label], probabilities[members], 0.0).astype(np.float64)
        doubt = seen.sum(axis=1)
        # The largest of log weight + Gumbel noise are a weighted draw without replacement (Efraimidis, Spirakis 2006).
        with np.errstate(divide="ignore"):
            keys = np.log(doubt) + rng.gumbel(size=len(members))
        chosen = np.argsort(-keys, kind="stable")[: round(ratio * len(members))]
        chosen = chosen[doubt[chosen] > 0]
        cumulative = np.cumsum(seen[chosen] / doubt[chosen, None], axis=1)
        drawn = (rng.random((len(chosen), 1)) >= cumulative[:, :-1]).sum(axis=1)
        given[members[chosen]] = drawn
    return given
