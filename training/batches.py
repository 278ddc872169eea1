"""Which samples make up a step, and which part of them each process computes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.errors import LookalikeError
from training.augmentation import Augmentation, Draws
from training.recipe import Recipe
from training.training_set import TrainingLabels


class BatchError(LookalikeError):
    """The batches can't be made as asked; the message says why."""


class Batches:
    """Index tensors of one epoch: untrusted samples in a new order, beside a share of each batch from the trusted set.

    No untrusted sample comes twice in an epoch; those that don't fill a last batch wait for the next. Where all
    samples are trusted, or none, or the recipe's share is 0, there is one order of all samples instead.
    """

    def __init__(self, labels: TrainingLabels, recipe: Recipe, generator: torch.Generator) -> None:
        self._trusted = torch.from_numpy(np.flatnonzero(labels.trusted))
        mixed = 0 < len(self._trusted) < len(labels.trusted)
        share = min(round(recipe.batch_size * recipe.trusted_share), recipe.batch_size - 1)
        self._oversampled = share if mixed else 0
        pool = ~labels.trusted if self._oversampled else np.ones_like(labels.trusted)
        self._pool = torch.from_numpy(np.flatnonzero(pool))
        self._size = recipe.batch_size - self._oversampled
        self._generator = generator
        self._order = self._pool
        self._step = len(self)

    def __len__(self) -> int:
        return max(1, len(self._pool) // self._size)

    def __iter__(self) -> Iterator[Tensor]:
        """An epoch, or what is left of the one that ``load_state_dict`` went back to."""
        if self._step == len(self):
            self._order = self._pool[torch.randperm(len(self._pool), generator=self._generator)]
            self._step = 0
        while self._step < len(self):
            mixed = self._order[self._step * self._size : (self._step + 1) * self._size]
            # An empty range can't be drawn from, not even nothing.
            drawn = torch.randint(max(1, len(self._trusted)), (self._oversampled,), generator=self._generator)
            self._step += 1
            yield torch.cat([mixed, self._trusted[drawn]])

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` takes to go on here, the generator's state included."""
        return {"order": self._order, "step": self._step, "generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken."""
        self._order, self._step = state["order"], state["step"]
        self._generator.set_state(state["generator"])


@dataclass(frozen=True)
class Microbatch:
    """Samples that go through the network together: rows of the training labels, int64 ``[n]``."""

    rows: Tensor
    draws: Draws
    share: float
    """Of the step's samples."""


@dataclass(frozen=True)
class Step:
    """What this process computes of a step, and where the batches stand after it."""

    parts: list[Microbatch]
    after: dict[str, Any]


def steps(
    batches: Batches, augmentation: Augmentation, generator: torch.Generator, accumulate: int, rank: int, world: int
) -> Iterator[Step]:
    """The steps of an epoch for one of ``world`` processes, which each accumulate ``accumulate`` microbatches.

    A batch is cut into ``world * accumulate`` parts, of which every ``world``-th is this process's. All processes draw
    everything from generators that are alike, so that the number of processes changes nothing but who computes what.
    Raises ``BatchError`` where there are more parts than samples.
    """
    for batch in batches:
        if len(batch) < world * accumulate:
            raise BatchError(
                f"a batch of {len(batch)} samples can't be cut into {world * accumulate} parts (processes times "
                "`accumulate`): take a larger batch_size, or fewer of either"
            )
        parts = [
            Microbatch(rows, augmentation.draw(len(rows), generator), len(rows) / len(batch))
            for rows in torch.tensor_split(batch, world * accumulate)
        ]
        yield Step(parts[rank::world], batches.state_dict())
