"""Cross-entropy on the given labels: the baseline, also with smoothed labels (Szegedy et al. 2016)."""

import torch.nn.functional as F
from torch import Tensor, nn

from training.losses.relaxed_targets import Relaxation, at_least_float32

SMOOTHING = 0.1
"""The usual share of a label that is spread over all classes."""


class CrossEntropy(nn.Module):
    """``-log p[given]``, or the same with ``smoothing`` spread over all classes; takes no notice of who is trusted."""

    clamp = False
    relaxation = Relaxation(None)

    def __init__(self, *, smoothing: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:  # noqa: ARG002 - the losses' interface
        """Mean over the batch."""
        return F.cross_entropy(at_least_float32(logits), given, label_smoothing=self.smoothing)
