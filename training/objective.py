"""What a run minimises: a loss, and the confidence labels that it learns from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.confidence_labels import ConfidenceLabels, ConfidenceLabelsError, from_groups
from models.errors import LookalikeError
from training.data import DataSet
from training.estimated_labels import estimate_labels
from training.losses import LossName
from training.recipe import Recipe
from training.training_set import TrainingLabels


class ObjectiveError(LookalikeError):
    """There is nothing to make the loss's confidence labels of; the message says what to give."""


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss by its name, and confidence labels with a sentence on where they are from."""

    loss: LossName
    confidence_labels: ConfidenceLabels
    labels_from: str


def choose_objective(
    loss: LossName | None,
    given: ConfidenceLabels | None,
    recipe: Recipe,
    data: DataSet,
    labels: TrainingLabels,
    noisy_head: Callable[[], NDArray[np.floating]],
) -> Objective:
    """Take the loss that was asked for, else the recipe's, and the confidence labels that were given, else make them.

    ``glc`` and ``forward`` learn from labels estimated from the trusted samples (by ``estimate_labels``, which may ask
    ``noisy_head``), all other losses from labels made of the groups. A recipe that wants an estimate falls back to the
    log-projection loss where a class has no trusted sample; a loss that was asked for raises ``ObjectiveError`` then.
    """
    name = loss or recipe.loss
    if given is not None:
        if given.classes != data.classes:
            raise ConfidenceLabelsError(f"the confidence labels must list the classes of {data.name} in its order")
        return Objective(name, given, "a file")
    if name in {"glc", "forward"}:
        count = np.bincount(labels.given[labels.trusted], minlength=len(data.classes))
        if count.all():
            estimated = estimate_labels(labels, data.groups, noisy_head)
            return Objective(name, estimated.confidence_labels, estimated.how)
        if loss is not None:
            missing = data.classes[int(np.flatnonzero(count == 0)[0])]
            raise ObjectiveError(
                f"the loss {loss} corrects by what trusted samples show of the noise, and class {missing!r} has none: "
                "trust some of each class, or give --confidence-labels"
            )
        name = "lp"
    made = from_groups(data.groups, own_untrusted=recipe.own_untrusted, own_trusted=recipe.own_trusted)
    return Objective(name, made, "groups")
