"""Batches images for a classifier: whatever waits when a thread is free runs at once, up to a largest batch."""

import asyncio
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError

Output = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Logits and embedding: of a batch ``[N, K]`` and ``[N, D]``, of one image ``[K]`` and ``[D]``."""


class ClosedError(LookalikeError):
    """The service is stopping."""


class BatchModel(Protocol):
    """What a batcher needs of a classifier."""

    def infer(self, images: NDArray[np.uint8]) -> Output:
        """uint8 ``[N, H, W, C]`` to outputs of the batch; may be called from several threads."""
        ...


@dataclass(frozen=True)
class _Waiting:
    image: NDArray[np.uint8]
    result: asyncio.Future[Output]
    loop: asyncio.AbstractEventLoop


class Batcher:
    """A queue before a model, emptied by threads of its own. A failed batch fails exactly its own images.

    The queue has no bound of its own: ``service.inference.admission`` bounds what gets this far.
    """

    def __init__(self, model: BatchModel, *, threads: int, max_batch: int) -> None:
        self._model, self._max_batch = model, max_batch
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"inference-{i}") for i in range(threads)]
        for thread in self._threads:
            thread.start()

    async def infer(self, images: list[NDArray[np.uint8]]) -> list[Output]:
        """Run images ``[H, W, C]`` through the model, each perhaps in another batch, and return their outputs in order.

        Raises ``ClosedError`` once ``close`` was called. Images of a cancelled caller that still wait are dropped
        before any work is done on them.
        """
        loop = asyncio.get_running_loop()
        entries = [_Waiting(image, loop.create_future(), loop) for image in images]
        with self._changed:
            if self._closed:
                raise ClosedError("the service is stopping; ask another one")
            self._queue.extend(entries)
            self._changed.notify(len(entries))
        return await asyncio.gather(*(entry.result for entry in entries))

    def close(self) -> None:
        """Finish what waits and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                outputs = self._model.infer(np.stack([entry.image for entry in batch]))
                answers = list(zip(batch, *outputs, strict=True))  # in here: too few outputs are a failure, too
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                for entry in batch:
                    _settle(entry, error)
            else:
                for entry, logits, embedding in answers:
                    _settle(entry, (logits, embedding))

    def _next_batch(self) -> list[_Waiting]:
        """Wait for work and take it; empty when closed and done."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return []
                taken = [self._queue.popleft() for _ in range(min(self._max_batch, len(self._queue)))]
            if wanted := [entry for entry in taken if not entry.result.cancelled()]:
                return wanted


def _settle(entry: _Waiting, outcome: Output | Exception) -> None:
    def settle() -> None:
        if entry.result.done():
            return
        if isinstance(outcome, Exception):
            entry.result.set_exception(outcome)
        else:
            entry.result.set_result(outcome)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        entry.loop.call_soon_threadsafe(settle)
