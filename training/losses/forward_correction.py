"""Cross-entropy of the given label, not of the true one: the log-projection loss without clamp and relaxation."""

from typing import Literal

import torch
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels
from training.losses.log_projection import log_product
from training.losses.relaxed_targets import Relaxation, at_least_float32


class ForwardCorrection(nn.Module):
    """``-log <T, p>``, where ``T[a, b]`` is in proportion to P(given = a | true = b).

    That is forward correction (Patrini et al. 2017) up to a constant for each given class. ``trusted`` says what is
    made of trusted samples: they are like all others (``noisy``), or right (``right``): cross-entropy, as in gold loss
    correction (Hendrycks et al. 2018).
    """

    clamp = False
    relaxation = Relaxation(None)
    table: Tensor
    """``[2, K, K]`` float64: ``T`` of each given class, untrusted then trusted."""

    def __init__(self, confidence_labels: ConfidenceLabels, *, trusted: Literal["noisy", "right"]) -> None:
        super().__init__()
        untrusted = torch.tensor(confidence_labels.untrusted, dtype=torch.float64)
        right = torch.eye(len(untrusted), dtype=torch.float64)
        self.register_buffer("table", torch.stack([untrusted, right if trusted == "right" else untrusted]))

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:
        """Mean over the batch."""
        logits = at_least_float32(logits)
        return -log_product(self.table[trusted.long(), given].to(logits.dtype), logits).mean()
