"""Losses over logits. Each is a module called as ``loss(logits, given, trusted)`` and returns the mean over the batch.

``logits`` is ``[N, K]`` of any float type (losses compute in float32 at least), ``given`` ``[N]`` int64, ``trusted``
``[N]`` bool. Each says its ``clamp`` (cut off at zero) and ``relaxation`` for the manifest.
"""

from typing import Literal

from models.confidence_labels import ConfidenceLabels
from training.losses.cross_entropy import SMOOTHING, CrossEntropy
from training.losses.forward_correction import ForwardCorrection
from training.losses.generalized_cross_entropy import GeneralizedCrossEntropy
from training.losses.log_projection import LogProjection
from training.losses.projection import Projection
from training.losses.relaxed_targets import L2, Relaxation
from training.losses.soft_labels import SoftCrossEntropy, SoftFocal, SoftL1, SoftMSE

LossName = Literal["lp", "p", "pce", "pl1", "pmse", "pfocal", "ce", "ls", "gce", "forward", "glc"]
Loss = (
    LogProjection
    | Projection
    | SoftCrossEntropy
    | SoftL1
    | SoftMSE
    | SoftFocal
    | CrossEntropy
    | GeneralizedCrossEntropy
    | ForwardCorrection
)


def make_loss(name: LossName, confidence_labels: ConfidenceLabels, relaxation: Relaxation = L2) -> Loss:
    """Return the loss of that name; the relaxation is for those that have one."""
    match name:
        case "lp":
            return LogProjection(confidence_labels, relaxation)
        case "p":
            return Projection(confidence_labels, relaxation)
        case "pce":
            return SoftCrossEntropy(confidence_labels, relaxation)
        case "pl1":
            return SoftL1(confidence_labels, relaxation)
        case "pmse":
            return SoftMSE(confidence_labels, relaxation)
        case "pfocal":
            return SoftFocal(confidence_labels, relaxation)
        case "ce":
            return CrossEntropy()
        case "ls":
            return CrossEntropy(smoothing=SMOOTHING)
        case "gce":
            return GeneralizedCrossEntropy()
        case "forward":
            return ForwardCorrection(confidence_labels, trusted="noisy")
        case "glc":
            return ForwardCorrection(confidence_labels, trusted="right")
