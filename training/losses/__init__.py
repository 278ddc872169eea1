"""Losses over logits. Each is a module called as ``loss(logits, given, trusted)`` and returns the mean over the batch.

``logits`` is ``[N, K]`` of any float type (losses compute in float32 at least), ``given`` ``[N]`` int64, ``trusted``
``[N]`` bool.
"""

from typing import Literal

from models.confidence_labels import ConfidenceLabels
from training.losses.cross_entropy import CrossEntropy
from training.losses.log_projection import LogProjection

LossName = Literal["lp", "ce"]


def make_loss(name: LossName, confidence_labels: ConfidenceLabels) -> LogProjection | CrossEntropy:
    """Return the loss of that name, with the paper's relaxation and clamp."""
    return LogProjection(confidence_labels) if name == "lp" else CrossEntropy()
