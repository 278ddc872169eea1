"""Joint shares of true and given label ``[true, given]`` from the model's predictions, each with bootstrap draws.

``corrected_joint`` needs the model's confusion counts on clean validation data; ``anchor_joint`` does without, from
the most confident rows, and keeps the model's errors on those. Both count rows rather than trust probabilities, so
they check the fit of ``audit/transition.py`` and lend it an interval.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

DRAWS = 400
DRAWS_MANY_CLASSES = 100  # each draw solves K equations in K unknowns
MANY_CLASSES = 200
SMOOTHING_ROWS = 1.0
WORST_CONDITION = 50.0
ANCHOR_SHARE = 0.3

Joint = NDArray[np.float64]


def confusion_matrix(validation_counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(predicted | true) ``[true, predicted]``, rows sum to 1, of smoothed ``validation_counts``."""
    confusion = _smoothed(validation_counts)
    confusion /= confusion.sum(axis=1, keepdims=True)
    return confusion


def is_correctable(validation_counts: NDArray[np.float64]) -> bool:
    """Whether the confusion matrix can be inverted without blowing chance up."""
    return bool(np.linalg.cond(confusion_matrix(validation_counts)) < WORST_CONDITION)


def corrected_joint(given_by_predicted: NDArray[np.float64], confusion: NDArray[np.float64]) -> Joint:
    """Return A with A' M = J: J ``[given, predicted]`` shares, M ``[true, predicted]``; entries may be negative."""
    return np.asarray(np.linalg.solve(confusion.T, given_by_predicted.T), dtype=np.float64)


def draw_corrected_joints(
    given_by_predicted: NDArray[np.float64], validation_counts: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[Joint]:
    """Bootstrap J (``[given, predicted]`` counts) and, as Bayesian bootstrap, the rows of M; yields shares of J."""
    rows = given_by_predicted.sum()
    cells = np.flatnonzero(given_by_predicted)
    shares = given_by_predicted.flat[cells] / rows
    smoothed = _smoothed(validation_counts)
    for _ in range(DRAWS if len(smoothed) <= MANY_CLASSES else DRAWS_MANY_CLASSES):
        J = np.zeros(given_by_predicted.shape)
        J.flat[cells] = rng.multinomial(int(rows), shares) / rows
        M = rng.standard_gamma(smoothed)
        M /= M.sum(axis=1, keepdims=True)
        yield corrected_joint(J, M)


def anchor_counts(
    probabilities: NDArray[np.floating], given: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return given labels of each class's anchors ``[predicted, given]``, and the number of rows predicted ``[K]``.

    The anchors of a class are the 30 % most confident (at least one) of the rows predicted as that class.
    """
    K = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    counts = np.zeros((K, K))
    for y in np.unique(predicted):
        rows = np.flatnonzero(predicted == y)
        take = max(1, int(ANCHOR_SHARE * len(rows)))
        least = np.partition(confidence[rows], len(rows) - take)[len(rows) - take]
        counts[y] = np.bincount(given[rows[confidence[rows] >= least]], minlength=K)
    return counts, np.bincount(predicted, minlength=K).astype(np.float64)


def anchor_joint(counts: NDArray[np.float64], predicted: NDArray[np.float64]) -> Joint:
    """Return the joint shares when each class's given labels are spread like its anchors' (``anchor_counts``)."""
    total = counts.sum(axis=1, keepdims=True)
    joint: Joint = counts / np.maximum(total, 1) * (predicted / predicted.sum())[:, None]
    return joint


def draw_anchor_measures(
    counts: NDArray[np.float64],
    predicted: NDArray[np.float64],
    membership: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Bootstrap the anchors, class by class: the excess and the noise of each drawn joint, ``[draws, 2]``.

    Both need no more of a class than its labels that are right, a mate's, or another's (``audit/asymmetry.py``).
    """
    K = len(counts)
    mates = membership & ~np.eye(K, dtype=bool)
    total = counts.sum(axis=1)
    right, inside = counts.diagonal(), np.where(mates, counts, 0.0).sum(axis=1)
    shares = np.stack([right, inside, np.maximum(total - right - inside, 0)], axis=1) / np.maximum(total, 1)[:, None]
    shares[total == 0] = [1.0, 0.0, 0.0]
    drawn = rng.multinomial(total.astype(np.intp), shares, size=(DRAWS, K)) / np.maximum(total, 1)[:, None]
    drawn *= (predicted / predicted.sum())[:, None]
    flips = drawn[:, :, 1] + drawn[:, :, 2]
    excess = (drawn[:, :, 1] - mates.sum(axis=1) / (K - 1) * flips).sum(axis=1)
    return np.stack([excess, flips.sum(axis=1)], axis=1)


def _smoothed(validation_counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add a row a class, spread as the classes are on average: so many right, the rest evenly over the others."""
    K = len(validation_counts)
    accuracy = (validation_counts.trace() + 1) / (validation_counts.sum() + 2)
    average = np.full((K, K), (1 - accuracy) / (K - 1))
    np.fill_diagonal(average, accuracy)
    average *= SMOOTHING_ROWS
    smoothed: NDArray[np.float64] = validation_counts + average
    return smoothed
