"""The images that wait for one model, and how many of them make a batch."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.scores import Scores

_PATIENCE = 0.25
"""Of the time that an image has waited: so much longer it may take for being run together with others."""
_MOST_PATIENCE = 4
"""Times the budget that a batch may take for that reason: other models wait for it, too."""


class BatchModel(Protocol):
    """What a queue needs of a model."""

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """uint8 ``[N, H, W, C]`` to the scores of the batch; may be called from several threads."""
        ...


Observe = Callable[[int, float, list[float]], None]
"""Hears of a batch, in the thread that ran it: images, seconds they took, seconds that each entry had waited."""


@dataclass(frozen=True, eq=False)
class Entry:
    """Images of one request that are run together."""

    images: NDArray[np.uint8]
    """``[n, H, W, C]``."""
    loop: asyncio.AbstractEventLoop
    result: asyncio.Future[Scores]
    since: float = field(default_factory=time.perf_counter)


class ModelQueue:
    """A queue before a model. Whoever uses it from several threads holds a lock; ``largest_batch`` needs none."""

    def __init__(
        self, model: BatchModel, *, max_batch: int, budget: float = math.inf, observe: Observe = lambda *_: None
    ) -> None:
        """``budget``: seconds that a batch may take; batches are cut so that they will, as far as past ones tell.

        When images come faster than they are run, and have waited for long, a batch may take longer than the budget:
        a large one costs less an image, and shortens the queue.
        """
        self.model, self.observe = model, observe
        self.entries: deque[Entry] = deque()
        self.served = 0.0
        """Seconds of work that the model has had, as far as its fair share goes."""
        self.seconds_per_image = 0.0
        """Moving average; 0 before the first batch."""
        self._max_batch, self._budget = max_batch, budget

    @property
    def largest_batch(self) -> int:
        """Most images to run at once where none has waited for long."""
        return self._fitting(self._budget)

    @property
    def work(self) -> float:
        """Seconds that what waits is expected to take."""
        return self.seconds_per_image * sum(len(entry.images) for entry in self.entries)

    def cut(self, threads: int) -> list[Entry]:
        """Take a batch off the queue, an even share for each of so many threads; whole entries, at least one.

        Entries that were cancelled are dropped; empty where all were.
        """
        self.entries = deque(entry for entry in self.entries if not entry.result.cancelled())
        waiting = sum(len(entry.images) for entry in self.entries)
        room = min(self._fitting(self._stretched_budget()), math.ceil(waiting / threads))
        batch: list[Entry] = []
        while self.entries and (not batch or len(self.entries[0].images) <= room):
            batch.append(self.entries.popleft())
            room -= len(batch[-1].images)
        return batch

    def _stretched_budget(self) -> float:
        waited = time.perf_counter() - self.entries[0].since if self.entries else 0.0
        return max(self._budget, min(_PATIENCE * waited, _MOST_PATIENCE * self._budget))

    def _fitting(self, seconds: float) -> int:
        """Most images that are run in so many seconds, as far as past ones tell; at least one."""
        if not self.seconds_per_image:
            return self._max_batch
        return int(min(self._max_batch, max(1.0, seconds / self.seconds_per_image)))

    def learn(self, seconds_per_image: float) -> None:
        """Remember what an image took."""
        before = self.seconds_per_image or seconds_per_image
        self.seconds_per_image = 0.8 * before + 0.2 * seconds_per_image
