"""Similarity scores between classes, and the groups and confidence labels that follow from them.

Gare and Galeotti 2021, section 3.1 (eqs. 1 to 3) and section 4.2.2.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.confidence_labels import ConfidenceLabels
from models.groups import SimilarityGroups

Scores = Literal["softmax", "normalised"]

FEW_CLASSES = 20


def similarity_from_predictions(probabilities: NDArray[np.floating], given: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean prediction over the samples of each label: ``[N, K]`` probabilities and ``[N]`` labels to ``S`` ``[K, K]``.

    Row ``a`` is what a model sees in samples labelled ``a``. Raises ``ValueError`` where a class has no sample.
    """
    size = probabilities.shape[1]
    count = np.bincount(given, minlength=size)
    if not count.all():
        raise ValueError(f"no sample is labelled as class {np.flatnonzero(count == 0)[0]}")
    total = np.zeros((size, size))
    np.add.at(total, given, probabilities)
    mean: NDArray[np.float64] = total / count[:, None]
    return mean


def mean_similarity(similarities: Sequence[NDArray[np.float64]], weights: Sequence[float]) -> NDArray[np.float64]:
    """Average the similarities of several models, each ``[K, K]``, weighted for instance by their accuracies."""
    mean: NDArray[np.float64] = np.average(
        np.stack(similarities), axis=0, weights=np.asarray(weights, dtype=np.float64)
    )
    return mean


def groups_from_similarity(
    classes: Sequence[str], similarity: NDArray[np.float64], *, deviations: float | None = None
) -> SimilarityGroups:
    """``G_a`` holds a, and the classes whose score in row a is above its mean by ``deviations`` standard deviations.

    The default is the paper's 1, but 0 for fewer than ``FEW_CLASSES`` classes, where 1 drops true partners (with scores
    .75 and .25 among ten, the threshold is .33). Such groups may overlap and need not be symmetric.
    """
    if deviations is None:
        deviations = 0.0 if len(classes) < FEW_CLASSES else 1.0
    threshold = similarity.mean(axis=1) + deviations * similarity.std(axis=1)
    return SimilarityGroups(classes, (similarity > threshold[:, None]) | np.eye(len(classes), dtype=bool))


def labels_from_similarity(
    similarity: NDArray[np.float64], groups: SimilarityGroups, *, scores: Scores = "softmax", own_trusted: float = 0.95
) -> ConfidenceLabels:
    """Confidence labels with each group's scores as the untrusted label of its class.

    ``softmax`` over the group is the paper's eq. 3; ``normalised`` divides the scores, which must be positive on the
    groups, by their sum. For trusted samples the class has ``own_trusted`` and its mates share the rest as before; a
    class that stands alone keeps everything.
    """
    weights = np.exp(similarity - similarity.max(axis=1, keepdims=True)) if scores == "softmax" else similarity
    weights = np.where(groups.membership, weights, 0.0)
    if not ((weights > 0) == groups.membership).all():
        raise ValueError("normalised scores must be positive for every member of a group")
    untrusted = weights / weights.sum(axis=1, keepdims=True)
    mates = untrusted * ~np.eye(len(groups.classes), dtype=bool)
    rest = mates.sum(axis=1, keepdims=True)
    trusted = (1 - own_trusted) * mates / np.where(rest > 0, rest, 1)
    np.fill_diagonal(trusted, np.where(rest[:, 0] > 0, own_trusted, 1.0))
    return ConfidenceLabels(
        classes=groups.classes,
        untrusted=tuple(map(tuple, untrusted.tolist())),
        trusted=tuple(map(tuple, trusted.tolist())),
    )
