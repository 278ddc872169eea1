"""The projection loss (Gare and Galeotti 2021, eq. 4)."""

import torch.nn.functional as F
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels
from training.losses.relaxed_targets import L2, Relaxation, RelaxedTargets, at_least_float32


class Projection(nn.Module):
    """``max(0, <T_r, T_r> - <T_r, p>)``."""

    clamp = True

    def __init__(self, confidence_labels: ConfidenceLabels, relaxation: Relaxation = L2) -> None:
        super().__init__()
        self.relaxation = relaxation
        self.targets = RelaxedTargets(confidence_labels, relaxation)

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:
        """Mean over the batch."""
        p = F.softmax(at_least_float32(logits), dim=1)
        targets = self.targets(given, trusted).to(p.dtype)
        return F.relu((targets * (targets - p)).sum(dim=1)).mean()
