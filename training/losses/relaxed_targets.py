"""What the projective losses aim at: each sample's confidence label, relaxed if its label is not trusted."""

import re
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from models.confidence_labels import ConfidenceLabels
from models.errors import LookalikeError


class RelaxationError(LookalikeError):
    """The relaxation can't be made as asked; the message says why."""


@dataclass(frozen=True)
class Relaxation:
    """``r(t) = scale ||t||_2 t``, or ``r(t) = t`` without a scale; the text form is ``l2``, ``l2:1.2`` or ``none``.

    The scale, which the paper leaves to future work, says how much a label is believed. A clamped loss is zero from
    ``<t, p> = scale ||t||_2^3`` on; for 0.6/0.4 that is 0.375 times the scale, and a prediction inside the group has at
    least 0.4. Up to a scale of 1.066, then, untrusted labels tell groups apart and nothing inside them; at 1.387, which
    is no relaxation, the label's own class is to have a share of 0.6.
    """

    scale: float | None = 1.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; raises ``RelaxationError``."""
        if text == "none":
            return cls(None)
        match = re.fullmatch(r"l2(?::(\d*\.?\d+))?", text)
        if not match or float(match[1] or 1) == 0:
            raise RelaxationError(f"relaxation {text!r} is not none, l2 or l2:SCALE with a scale above 0")
        return cls(float(match[1] or 1))

    def __str__(self) -> str:
        if self.scale is None:
            return "none"
        return "l2" if self.scale == 1 else f"l2:{self.scale:g}"

    def of(self, labels: Tensor) -> Tensor:
        """``r`` of each row: ``[K, K]`` to ``[K, K]``."""
        return labels if self.scale is None else self.scale * labels.norm(dim=1, keepdim=True) * labels


L2 = Relaxation()
"""The paper's."""


class RelaxedTargets(nn.Module):
    """``T_r`` (Gare and Galeotti 2021, eqs. 8 to 10): ``r(T)`` for untrusted samples, ``T`` for trusted ones."""

    table: Tensor
    """``[2, K, K]`` float64: ``T_r`` of each given class, untrusted then trusted."""

    def __init__(self, confidence_labels: ConfidenceLabels, relaxation: Relaxation = L2) -> None:
        super().__init__()
        untrusted = torch.tensor(confidence_labels.untrusted, dtype=torch.float64)
        trusted = torch.tensor(confidence_labels.trusted, dtype=torch.float64)
        self.register_buffer("table", torch.stack([relaxation.of(untrusted), trusted]))

    def forward(self, given: Tensor, trusted: Tensor) -> Tensor:
        """``[N]`` given classes and who is trusted, to ``[N, K]`` float64."""
        return self.table[trusted.long(), given]


def at_least_float32(logits: Tensor) -> Tensor:
    """Logits in the precision that losses compute in."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
