"""Generalized cross-entropy (Zhang and Sabuncu 2018, eq. 6): between cross-entropy and the mean absolute error."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.losses.relaxed_targets import Relaxation, at_least_float32

Q = 0.7
"""The paper's exponent; towards 0 it is cross-entropy, at 1 the mean absolute error."""


class GeneralizedCrossEntropy(nn.Module):
    """``(1 - p[given]^q) / q``; takes no notice of who is trusted."""

    clamp = False
    relaxation = Relaxation(None)

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:  # noqa: ARG002 - the losses' interface
        """Mean over the batch."""
        log_p = F.log_softmax(at_least_float32(logits), dim=1).gather(1, given[:, None])
        return -torch.expm1(Q * log_p).mean() / Q
