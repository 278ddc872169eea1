"""What the projective losses aim at: each sample's confidence label, relaxed if its label is not trusted."""

from typing import Literal

import torch
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels

Relaxation = Literal["l2", "none"]


class RelaxedTargets(nn.Module):
    """``T_r`` (Gare and Galeotti 2021, eqs. 8 to 10): ``||T||_2 T`` for untrusted samples, ``T`` for trusted ones.

    With relaxation ``none`` it is ``T`` for all.
    """

    table: Tensor
    """``[2, K, K]`` float64: ``T_r`` of each given class, untrusted then trusted."""

    def __init__(self, confidence_labels: ConfidenceLabels, relaxation: Relaxation = "l2") -> None:
        super().__init__()
        untrusted = torch.tensor(confidence_labels.untrusted, dtype=torch.float64)
        trusted = torch.tensor(confidence_labels.trusted, dtype=torch.float64)
        if relaxation == "l2":
            untrusted = untrusted * untrusted.norm(dim=1, keepdim=True)
        self.register_buffer("table", torch.stack([untrusted, trusted]))

    def forward(self, given: Tensor, trusted: Tensor) -> Tensor:
        """``[N]`` given classes and who is trusted, to ``[N, K]`` float64."""
        return self.table[trusted.long(), given]


def at_least_float32(logits: Tensor) -> Tensor:
    """Logits in the precision that losses compute in."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
