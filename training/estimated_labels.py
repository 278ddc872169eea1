"""Confidence labels estimated from the trusted samples of a run: the choice that the recipe ``strong`` makes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.audited_labels import count_labels, labels_from_counts, labels_from_transition
from models.confidence_labels import ConfidenceLabels
from models.groups import SimilarityGroups
from models.similarity import similarity_from_predictions
from training.training_set import TrainingLabels


@dataclass(frozen=True, eq=False)
class EstimatedLabels:
    """Confidence labels for the losses ``glc`` and ``forward``."""

    confidence_labels: ConfidenceLabels
    how: str
    """A sentence with the numbers that they come from."""


def estimate_labels(
    labels: TrainingLabels, groups: SimilarityGroups, noisy_head: Callable[[], NDArray[np.floating]]
) -> EstimatedLabels:
    """Estimate P(given | true) from the trusted samples, of which each class must have one.

    Where verifying them changed labels, what they said before is counted (an audit). Where none changed, their given
    labels may have been chosen because they are right, and say nothing; then ``noisy_head`` is asked for the
    probabilities ``[n, K]`` that a network which learnt the untrusted labels as they are gives the trusted samples:
    their mean for each true class is the estimate (gold loss correction, Hendrycks et al. 2018).
    """
    rows = labels.trusted
    truth, before = labels.given[rows], labels.original[rows]
    if (truth != before).any():
        counts = count_labels(truth, before, len(groups.classes))
        audited = labels_from_counts(counts, groups)
        transition, made, source = audited.transition, audited.confidence_labels, "what trusted samples said before"
        silent = "".join(f"; inside {', '.join(group)} labels say nothing" for group in audited.silent)
    else:
        transition = similarity_from_predictions(noisy_head(), truth)
        made = labels_from_transition(transition, groups.classes)
        source, silent = "what a network that learnt the noise sees in trusted samples", ""
    rates = ", ".join(
        f"{name} {rate:.2f}" for name, rate in zip(groups.classes, 1 - transition.diagonal(), strict=True)
    )
    return EstimatedLabels(made, f"flip rates by {source} ({rows.sum()} samples): {rates}{silent}")
