"""An exponential moving average of a network's weights (Polyak and Juditsky 1992)."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """A second network whose weights follow those of the first.

    After ``n`` updates the decay is ``min(decay, (1 + n) / (10 + n))``, so that a short run forgets the first weights,
    too. Running statistics are averaged like weights; whole numbers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    def update(self, network: nn.Module) -> None:
        """Follow the network, once a step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averages, values = _tensors(self.network), _tensors(network)
        floating = [tensor.is_floating_point() for tensor in averages]
        with torch.no_grad():
            torch._foreach_lerp_(  # public in all but name
                [tensor for tensor, real in zip(averages, floating, strict=True) if real],
                [tensor for tensor, real in zip(values, floating, strict=True) if real],
                1 - decay,
            )
            for average, value, real in zip(averages, values, floating, strict=True):
                if not real:
                    average.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` takes to go on here."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
