"""Confidence labels from an audit: what a given label says about the true class."""

import numpy as np
from numpy.typing import NDArray


def confidence_labels(transition: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[given, true]``, rows sum to 1: the columns of a transition matrix ``[true, given]``, normalised.

    ``T_a[b] = rates[b, a] / sum over c of rates[c, a]``: P(true = b | given = a) if the classes were balanced.
    Raises ``ValueError`` where no class is ever given the label a.
    """
    total = transition.sum(axis=0)
    if not (total > 0).all():
        raise ValueError(f"no class is ever labelled as class {np.flatnonzero(~(total > 0))[0]}")
    labels: NDArray[np.float64] = (transition / total).T
    return labels
