"""Confidence labels from verified samples: how often each true class was labelled as which."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.confidence_labels import ConfidenceLabels
from models.groups import SimilarityGroups

PRIOR_SAMPLES = 20.0
"""How many verified samples of a class weigh as much as what its whole group shows."""


@dataclass(frozen=True, eq=False)
class AuditedLabels:
    """What a set of verified samples says of the labels that they had."""

    confidence_labels: ConfidenceLabels
    """``T_a[b]`` in proportion to P(given = a | true = b); one-hot where the label is trusted."""
    transition: NDArray[np.float64]
    """``[true, given]``, rows sum to 1."""
    silent: list[list[str]]
    """Groups, as class names, inside which the labels show no more of the true class than chance would."""


def count_labels(truth: NDArray[np.integer], given: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Count verified samples: ``[n]`` true classes and the labels that they had, to ``[true, given]``."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (truth, given), 1)
    return counts


def labels_from_counts(counts: NDArray[np.integer], groups: SimilarityGroups) -> AuditedLabels:
    """Confidence labels from counts ``[true, given]`` of verified samples.

    Inside each group the transition is shrunk towards labels that say nothing of the true class, by as much of what the
    counts show as may be chance: weak evidence on the wrong side would do more harm than none. Raises ``ValueError``
    without counts.
    """
    transition = transition_from_counts(counts, groups)
    silent = []
    for group in groups.distinct():
        if len(group) == 1:
            continue
        block = np.ix_(group, group)
        evidence = _evidence(counts[block])
        if not evidence:
            silent.append([groups.classes[k] for k in group])
        inside = transition[block]
        chance = inside.sum(axis=1, keepdims=True) * inside.sum(axis=0) / inside.sum()
        transition[block] = chance + evidence * (inside - chance)
    return AuditedLabels(labels_from_transition(transition, groups.classes), transition, silent)


def labels_from_transition(transition: NDArray[np.float64], classes: tuple[str, ...]) -> ConfidenceLabels:
    """``T_a[b]`` in proportion to ``[true, given]`` rates, and one-hot labels for trusted samples.

    With the losses ``forward`` and ``glc`` that is the loss correction of Patrini et al. (2017) and Hendrycks et al.
    (2018). A class that is never given says nothing: its label is even.
    """
    columns = np.where(transition.sum(axis=0) > 0, transition, 1.0)
    labels = (columns / columns.sum(axis=0)).T
    one_hot = np.eye(len(labels))
    return ConfidenceLabels(
        classes=classes,
        untrusted=tuple(map(tuple, labels.tolist())),
        trusted=tuple(map(tuple, one_hot.tolist())),
    )


def transition_from_counts(
    counts: NDArray[np.integer], groups: SimilarityGroups, *, prior_samples: float = PRIOR_SAMPLES
) -> NDArray[np.float64]:
    """Estimate P(given | true), ``[true, given]``, from counts, with few samples a class leaning on its group.

    The prior of a row is a Dirichlet distribution of ``prior_samples`` samples, at the shares of right labels, of flips
    inside the group and of flips out of it that all classes of its group have together. A label is never taken to be
    impossible for its own class, nor for the others of the group.
    """
    if not counts.sum():
        raise ValueError("no verified samples: there is nothing to count")
    mates = groups.membership & ~np.eye(len(counts), dtype=bool)
    right, inside = counts.diagonal(), np.where(mates, counts, 0).sum(axis=1)
    total = counts.sum(axis=1)
    rates = np.empty(counts.shape, dtype=np.float64)
    for k, group in enumerate(groups.membership):
        pool = group if total[group].sum() else np.ones_like(group)
        n = total[pool].sum()
        own, moved = (right[pool].sum() + 0.5) / (n + 1), (inside[pool].sum() + 0.5) / (n + 1)
        left = (n - right[pool].sum() - inside[pool].sum()) / (n + 1)
        prior = np.where(mates[k], moved / max(mates[k].sum(), 1), np.where(group, 0.0, left / max((~group).sum(), 1)))
        prior[k] = own
        row = counts[k] + prior_samples * prior / prior.sum()
        rates[k] = row / row.sum()
    return rates


def _evidence(table: NDArray[np.integer]) -> float:
    """How much of what a table of counts shows is more than chance, from 0 to 1.

    Pearson's chi-squared statistic is about its degrees of freedom where columns don't depend on rows; the rest of it
    is the share kept, as in James and Stein's estimator (1961).
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    if freedom <= 0:  # one class of the group alone was verified, or one label alone was given
        return 0.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return max(0.0, 1 - freedom / statistic) if statistic else 0.0
