"""The log-projection loss (Gare and Galeotti 2021, eqs. 6 and 8 to 10), from logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels


class LogProjection(nn.Module):
    """``max(0, log(<T_r, T_r> / <T_r, p>))`` for the confidence label ``T`` of each sample's given class.

    ``T_r = ||T||_2 T`` for untrusted samples, ``T_r = T`` for trusted ones. ``log <T_r, p>`` is a logsumexp over the
    support of ``T_r``, so a confidently wrong sample keeps its full gradient; adding the paper's 1e-8 to the product
    instead would lose it.
    """

    clamp = True
    relaxation = "l2"

    log_targets: Tensor
    """``[2, K, K]``: log of ``T_r``, untrusted then trusted; -inf outside the support."""
    log_norms: Tensor
    """``[2, K]``: log of ``<T_r, T_r>``."""

    def __init__(self, confidence_labels: ConfidenceLabels) -> None:
        super().__init__()
        untrusted = torch.tensor(confidence_labels.untrusted, dtype=torch.float64)
        trusted = torch.tensor(confidence_labels.trusted, dtype=torch.float64)
        relaxed = torch.stack([untrusted * untrusted.norm(dim=1, keepdim=True), trusted])
        self.register_buffer("log_targets", relaxed.log())
        self.register_buffer("log_norms", relaxed.square().sum(dim=2).log())

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:
        """Mean over the batch."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        row = trusted.long()
        log_targets = self.log_targets[row, given].to(logits.dtype)
        log_products = torch.logsumexp(F.log_softmax(logits, dim=1) + log_targets, dim=1)
        return F.relu(self.log_norms[row, given].to(logits.dtype) - log_products).mean()
