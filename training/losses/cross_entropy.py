"""Cross-entropy on the given labels: the baseline."""

import torch.nn.functional as F
from torch import Tensor, nn

from training.losses.relaxed_targets import at_least_float32


class CrossEntropy(nn.Module):
    """``-log p[given]``; takes no notice of who is trusted."""

    clamp = False
    relaxation = "none"

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:  # noqa: ARG002 - the losses' interface
        """Mean over the batch."""
        return F.cross_entropy(at_least_float32(logits), given)
