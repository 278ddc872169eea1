"""The usual losses with a relaxed confidence label in the place of the one-hot label (section 4.1's comparisons)."""

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels
from training.losses.relaxed_targets import L2, Relaxation, RelaxedTargets, at_least_float32

FOCUS = 2.0
"""The focal loss's exponent (Lin et al. 2017)."""


class _SoftLabelLoss(nn.Module, ABC):
    clamp = False

    def __init__(self, confidence_labels: ConfidenceLabels, relaxation: Relaxation = L2) -> None:
        super().__init__()
        self.relaxation = relaxation
        self.targets = RelaxedTargets(confidence_labels, relaxation)

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:
        """Mean over the batch."""
        log_p = F.log_softmax(at_least_float32(logits), dim=1)
        return self._of(log_p, self.targets(given, trusted).to(log_p.dtype)).mean()

    @abstractmethod
    def _of(self, log_p: Tensor, targets: Tensor) -> Tensor:
        """``[N, K]`` log probabilities and relaxed targets to ``[N]`` losses."""


class SoftCrossEntropy(_SoftLabelLoss):
    """``-sum T_r log p`` (pCE)."""

    def _of(self, log_p: Tensor, targets: Tensor) -> Tensor:
        return -(targets * log_p).sum(dim=1)


class SoftL1(_SoftLabelLoss):
    """Mean over the classes of ``|T_r - p|`` (pL1)."""

    def _of(self, log_p: Tensor, targets: Tensor) -> Tensor:
        return (targets - log_p.exp()).abs().mean(dim=1)


class SoftMSE(_SoftLabelLoss):
    """Mean over the classes of ``(T_r - p)^2`` (pMSE)."""

    def _of(self, log_p: Tensor, targets: Tensor) -> Tensor:
        return (targets - log_p.exp()).square().mean(dim=1)


class SoftFocal(_SoftLabelLoss):
    """``-sum T_r (1 - p)^2 log p`` (pFocal)."""

    def _of(self, log_p: Tensor, targets: Tensor) -> Tensor:
        return -(targets * (1 - log_p.exp()) ** FOCUS * log_p).sum(dim=1)
