"""The log-projection loss (Gare and Galeotti 2021, eq. 6), from logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels
from training.losses.relaxed_targets import Relaxation, RelaxedTargets, at_least_float32


class LogProjection(nn.Module):
    """``max(0, log(<T_r, T_r> / <T_r, p>))``.

    ``log <T_r, p>`` is a logsumexp over the support of ``T_r``, so a confidently wrong sample keeps its full gradient;
    adding the paper's 1e-8 to the product instead would lose it.
    """

    clamp = True

    def __init__(self, confidence_labels: ConfidenceLabels, relaxation: Relaxation = "l2") -> None:
        super().__init__()
        self.relaxation = relaxation
        self.targets = RelaxedTargets(confidence_labels, relaxation)

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:
        """Mean over the batch."""
        logits = at_least_float32(logits)
        targets = self.targets(given, trusted).to(logits.dtype)
        log_product = torch.logsumexp(F.log_softmax(logits, dim=1) + targets.log(), dim=1)
        return F.relu(targets.square().sum(dim=1).log() - log_product).mean()
