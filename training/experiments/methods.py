"""The rows of a table: how each method learns from noisy labels and a trusted set."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from torch import nn

from audit.evidence import Evidence
from audit.fit import fit_noise_model
from models.audited_labels import count_labels, labels_from_counts, labels_from_transition, transition_from_counts
from models.confidence_labels import ConfidenceLabels, from_groups
from models.distribution import class_probabilities
from models.groups import SimilarityGroups
from models.manifest import GRAPH
from models.repository import SHIPPED, ModelRepository
from training.data import DataSet
from training.held_out import run_graph
from training.losses import LossName, make_loss
from training.recipe import Recipe
from training.training_set import TrainingLabels

OfSimilarity = Callable[[NDArray[np.float64]], nn.Module]
"""From a similarity ``[K, K]``: what the weights that training starts from see, on average, in images of each label."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network is taught: labels, a loss and a recipe."""

    labels: TrainingLabels
    loss: nn.Module | OfSimilarity | None
    """None: the weights are measured as they are, without training."""
    recipe: Recipe
    head_on_trusted: bool = False
    """Whether classes are told apart inside groups by a head fitted on the trusted samples afterwards."""
    notes: dict[str, Any] = field(default_factory=dict)


Method = Callable[[TrainingLabels, DataSet, Recipe], Lesson]
"""From the labels, the data set, whose true labels are for the ceiling alone, and the table's recipe."""


def with_loss(name: LossName) -> Method:
    """Train on the given labels by a loss, with the paper's confidence labels; trusted samples are not oversampled."""

    def teach(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
        plain = recipe.model_copy(update={"trusted_share": 0.0})
        return Lesson(labels, make_loss(name, from_groups(data.groups)), plain)

    return teach


def oversampled(name: LossName) -> Method:
    """Do the same with the recipe's share of trusted samples in every batch."""

    def teach(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
        return Lesson(labels, make_loss(name, from_groups(data.groups)), recipe)

    return teach


def swapped(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Cross-entropy, trusted samples oversampled, each untrusted label replaced by the class that most likely bore it.

    By what the trusted samples were labelled before: where most labels of a pair are flipped, they are flipped back.
    """
    counts = _counts(labels, data.groups)
    likeliest = transition_from_counts(counts, data.groups).argmax(axis=0)
    given = np.where(labels.trusted, labels.given, likeliest[labels.given])
    return Lesson(replace(labels, given=given), make_loss("ce", from_groups(data.groups)), recipe, notes=_rates(counts))


def trusted_alone(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Cross-entropy on the trusted samples, repeated so that they make a quarter of the other methods' steps."""
    rows = np.flatnonzero(labels.trusted)
    alone = labels.take(np.resize(rows, max(len(rows), len(labels.given) // 4)))
    return Lesson(alone, make_loss("ce", from_groups(data.groups)), recipe)


def group_labels(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Learn groups from all samples, ``-log P(group of the given class)``; then fit a head on the trusted ones."""
    together = data.groups.membership / data.groups.membership.sum(axis=1, keepdims=True)
    rows = tuple(map(tuple, together.tolist()))
    same = ConfidenceLabels(classes=data.classes, untrusted=rows, trusted=rows)
    plain = recipe.model_copy(update={"trusted_share": 0.0})
    return Lesson(labels, make_loss("forward", same), plain, head_on_trusted=True)


def strong(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Confidence labels from what the trusted samples were labelled before, without clamp; trusted ones oversampled."""
    counts = _counts(labels, data.groups)
    audited = labels_from_counts(counts, data.groups)
    return Lesson(labels, make_loss("glc", audited.confidence_labels), recipe, notes=_rates(counts))


def audit(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Do as ``strong`` does, with the rates that an audit of given labels finds: the reserve's, by the shipped model.

    That model learnt nothing from those images; what trusted samples said before is not used.
    """
    artifact = ModelRepository(SHIPPED).resolve()
    manifest = artifact.manifest
    assert manifest.calibration is not None
    rows = np.isin(labels.index, data.split.reserve) & ~labels.trusted
    session = onnxruntime.InferenceSession(artifact.path / GRAPH, providers=["CPUExecutionProvider"])
    logits, _ = run_graph(session, data.images[labels.index[rows]])
    evidence = Evidence.checked(
        class_probabilities(logits, data.groups, manifest.calibration.temperature),
        labels.given[rows],
        data.groups,
        validation_counts=np.array(manifest.calibration.confusion),
    )
    transition = fit_noise_model(evidence).transition
    notes = {"flip_rates": np.round(1 - transition.diagonal(), 3).tolist(), "audited": int(rows.sum())}
    return Lesson(labels, make_loss("glc", labels_from_transition(transition, data.classes)), recipe, notes=notes)


def ceiling(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Cross-entropy on the true labels, each sample alike."""
    clean = replace(labels, given=data.labels[labels.index])
    plain = recipe.model_copy(update={"trusted_share": 0.0})
    return Lesson(clean, make_loss("ce", from_groups(data.groups)), plain)


def _counts(labels: TrainingLabels, groups: SimilarityGroups) -> NDArray[np.int64]:
    rows = labels.trusted
    return count_labels(labels.given[rows], labels.original[rows], len(groups.classes))


def _rates(counts: NDArray[np.int64]) -> dict[str, Any]:
    """What the trusted samples show: the share of each class whose label was wrong."""
    return {"flip_rates": np.round(1 - counts.diagonal() / np.maximum(counts.sum(axis=1), 1), 3).tolist()}
