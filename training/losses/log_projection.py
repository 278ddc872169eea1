"""The log-projection loss (Gare and Galeotti 2021, eq. 6), from logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels
from training.losses.relaxed_targets import L2, Relaxation, RelaxedTargets, at_least_float32


class LogProjection(nn.Module):
    """``max(0, log(<T_r, T_r> / <T_r, p>))``."""

    clamp = True

    def __init__(self, confidence_labels: ConfidenceLabels, relaxation: Relaxation = L2) -> None:
        super().__init__()
        self.relaxation = relaxation
        self.targets = RelaxedTargets(confidence_labels, relaxation)

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:
        """Mean over the batch."""
        logits = at_least_float32(logits)
        targets = self.targets(given, trusted).to(logits.dtype)
        return F.relu(targets.square().sum(dim=1).log() - log_product(targets, logits)).mean()


def log_product(targets: Tensor, logits: Tensor) -> Tensor:
    """``log <T, p>`` of ``[N, K]`` targets and logits, ``[N]``.

    A logsumexp over the support of ``T``, so that a confidently wrong sample keeps its full gradient; adding the
    paper's 1e-8 to the product instead would lose it.
    """
    return torch.logsumexp(F.log_softmax(logits, dim=1) + targets.log(), dim=1)
