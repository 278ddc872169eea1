"""Everything that changes while a network trains: what a checkpoint holds."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from training.batches import Batches
from training.ema import Ema
from training.schedules import Schedule

Figures = dict[str, float]
"""What is known of an epoch: ``epoch``, ``loss``, ``seconds``, …"""


@dataclass
class Best:
    """The epoch with the lowest loss on the held-out slice, and its weights."""

    epoch: int
    loss: float
    weights: dict[str, Tensor]


@dataclass
class TrainingState:
    """A training between two steps."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    batches: Batches
    ema: Ema | None
    after: dict[str, Any]
    """Where the batches stand after the last step taken; they themselves may be ahead."""
    epochs: list[Figures] = field(default_factory=list)
    """The figures of the epochs that are over."""
    losses: list[float] = field(default_factory=list)
    """Of the steps of the epoch that is under way."""
    seconds: float = 0.0
    """Spent on that epoch."""
    best: Best | None = None

    @property
    def averaged(self) -> nn.Module:
        """The network that the training is for."""
        return self.network if self.ema is None else self.ema.network

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(torch.isfinite(each).all()) for each in self.network.parameters())

    def state_dict(self) -> dict[str, Any]:
        """Nested dicts and lists of tensors, numbers and texts."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "ema": self.ema and self.ema.state_dict(),
            "batches": self.after,
            "random": torch.get_rng_state(),
            "epochs": self.epochs,
            "losses": self.losses,
            "seconds": self.seconds,
            "best": self.best and vars(self.best),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.batches.load_state_dict(state["batches"])
        torch.set_rng_state(state["random"])
        self.after, self.epochs, self.losses = state["batches"], state["epochs"], state["losses"]
        self.seconds = state["seconds"]
        self.best = state["best"] and Best(**state["best"])
