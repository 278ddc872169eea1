"""Losses over logits. Each is a module called as ``loss(logits, given, trusted)`` and returns the mean over the batch.

``logits`` is ``[N, K]`` of any float type (losses compute in float32 at least), ``given`` ``[N]`` int64, ``trusted``
``[N]`` bool. Each says its ``clamp`` (cut off at zero) and ``relaxation`` for the manifest.
"""

from typing import Literal

from models.confidence_labels import ConfidenceLabels
from training.losses.cross_entropy import CrossEntropy
from training.losses.generalized_cross_entropy import GeneralizedCrossEntropy
from training.losses.log_projection import LogProjection
from training.losses.projection import Projection
from training.losses.soft_labels import SoftCrossEntropy, SoftFocal, SoftL1, SoftMSE

LossName = Literal["lp", "p", "pce", "pl1", "pmse", "pfocal", "ce", "gce"]
Loss = (
    LogProjection
    | Projection
    | SoftCrossEntropy
    | SoftL1
    | SoftMSE
    | SoftFocal
    | CrossEntropy
    | GeneralizedCrossEntropy
)


def make_loss(name: LossName, confidence_labels: ConfidenceLabels) -> Loss:
    """Return the loss of that name, with the paper's relaxation."""
    match name:
        case "lp":
            return LogProjection(confidence_labels)
        case "p":
            return Projection(confidence_labels)
        case "pce":
            return SoftCrossEntropy(confidence_labels)
        case "pl1":
            return SoftL1(confidence_labels)
        case "pmse":
            return SoftMSE(confidence_labels)
        case "pfocal":
            return SoftFocal(confidence_labels)
        case "ce":
            return CrossEntropy()
        case "gce":
            return GeneralizedCrossEntropy()
