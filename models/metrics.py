"""How good a classifier's probabilities are, on samples whose true class is known."""

import numpy as np
from numpy.typing import NDArray

from models.distribution import group_probabilities
from models.groups import SimilarityGroups

ECE_BINS = 15


def evaluate(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], groups: SimilarityGroups
) -> dict[str, float]:
    """Accuracy, nll, ece and group accuracy of ``[N, K]`` probabilities for ``[N]`` true classes.

    ``accuracy`` and ``group_accuracy`` (the top class is in the true class's group) are shares in [0, 1]; ``nll``
    is the mean negative log-likelihood in nats; ``ece`` and ``group_ece`` are expected calibration errors in [0, 1] of
    the top class and of its group.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    top = p.argmax(axis=1)
    rows = np.arange(len(labels))
    mass = group_probabilities(p, groups)[rows, top]
    return {
        "accuracy": float((top == labels).mean()),
        "group_accuracy": float(groups.membership[labels, top].mean()),
        "nll": float(-np.log(np.maximum(p[rows, labels], 1e-12)).mean()),
        "ece": calibration_error(p[rows, top], top == labels),
        "group_ece": calibration_error(mass, groups.membership[top, labels]),
    }


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = ECE_BINS) -> float:
    """Expected calibration error (Naeini et al. 2015): mean |confidence - share right| over equal-width bins.

    ``confidence`` ``[N]`` in [0, 1], ``right`` ``[N]`` bool; bins are weighted by their number of samples.
    """
    index = np.minimum((np.asarray(confidence) * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(index, confidence, bins) - np.bincount(index, right, bins)
    return float(np.abs(gaps).sum() / len(confidence))
