"""The rows of the paper's Tables 4 and 5, which go on from published weights; and what those weights see in images."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.confidence_labels import from_groups
from models.groups import SimilarityGroups
from models.similarity import groups_from_similarity, labels_from_similarity
from training.data import DataSet
from training.data.pictures import Pictures
from training.experiments.methods import Lesson
from training.losses import make_loss
from training.losses.relaxed_targets import Relaxation
from training.recipe import Recipe
from training.training_set import TrainingLabels

_BATCH = 100
NO_RELAXATION = Relaxation(None)


def as_they_are(labels: TrainingLabels, _: DataSet, recipe: Recipe) -> Lesson:
    """The weights themselves: Table 4's baseline."""
    return Lesson(labels, None, recipe)


def one_hot(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Log-projection on one-hot labels without relaxation, which is cross-entropy."""
    hard = from_groups(SimilarityGroups.singletons(data.classes))
    return Lesson(labels, make_loss("lp", hard, NO_RELAXATION), recipe)


def own_predictions(labels: TrainingLabels, data: DataSet, recipe: Recipe) -> Lesson:
    """Log-projection, without relaxation, on confidence labels of what the weights see before (section 4.2.2)."""

    def loss(similarity: NDArray[np.float64]) -> nn.Module:
        groups = groups_from_similarity(data.classes, similarity)
        return make_loss("lp", labels_from_similarity(similarity, groups), NO_RELAXATION)

    return Lesson(labels, loss, recipe)


def seen_by_label(
    network: nn.Module, pictures: Pictures, given: NDArray[np.int64], classes: int, device: torch.device
) -> NDArray[np.float64]:
    """Mean prediction for each label, ``[K, K]``, of a network from bytes ``[n, C, H, W]`` to logits.

    A batch at a time: ImageNet's million predictions of a thousand classes need not be kept. Each class has an image.
    """
    network.eval()
    total = np.zeros((classes, classes))
    for start in range(0, len(pictures), _BATCH):
        images = torch.from_numpy(pictures[start : start + _BATCH]).to(device).permute(0, 3, 1, 2)
        with torch.inference_mode():
            seen = network(images)[0].double().softmax(dim=1).cpu().numpy()
        np.add.at(total, given[start : start + _BATCH], seen)
    mean: NDArray[np.float64] = total / np.bincount(given, minlength=classes)[:, None]
    return mean
