"""Batches images of several models for one device: whatever waits when a thread is free runs at once.

Models share the threads by the time that each has used (start-time fair queueing, Goyal, Vin and Cheng 1996): a flood
on one doesn't starve the others.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError
from models.scores import Scores
from service.inference.model_queue import Entry, ModelQueue

_Outcome = Scores | Exception

SMALL_WORK = 0.002
"""Seconds. Less than this is left to a thread that is busy with as little: handing it to one more costs more CPU."""


class ClosedError(LookalikeError):
    """The service is stopping."""


class Batcher:
    """Threads that empty the queues of models. A failed batch fails exactly its own images.

    A queue has no bound: ``service.inference.admission`` bounds what gets this far. It needs no closing either: it
    lives, and its model with it, as long as somebody refers to it.
    """

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._waiting: list[ModelQueue] = []
        """Queues that are not empty."""
        self._running: list[float] = []
        """Seconds that each batch under way is expected to take."""
        self._now = 0.0
        """Virtual time: what the queue that was served last had been served before."""
        self._called = 0
        """Threads that were called and have not come yet."""
        self._closed = False
        self._calling: set[asyncio.AbstractEventLoop] = set()
        """Event loops that will call more threads at their next turn."""
        self._calls: SimpleQueue[bool] = SimpleQueue()
        """To threads that are idle: True to look for work, False to end."""
        self._threads = [threading.Thread(target=self._work, name=f"inference-{i}") for i in range(threads)]
        for thread in self._threads:
            thread.start()

    async def score(self, queue: ModelQueue, images: NDArray[np.uint8]) -> Scores:
        """Run ``[N, H, W, C]``, perhaps together with others' images, perhaps in several batches.

        Raises ``ClosedError`` once ``close`` was called. Images of a cancelled caller that still wait are dropped
        before any work is done on them.
        """
        loop, size = asyncio.get_running_loop(), queue.largest_batch
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        entries = [Entry(part, loop, loop.create_future()) for part in parts]
        with self._lock:
            if self._closed:
                raise ClosedError("the service is stopping; ask another one")
            if not queue.entries:
                queue.served = max(queue.served, self._now)  # an idle model saves up no claim
                self._waiting.append(queue)
            queue.entries.extend(entries)
            if not self._running and not self._called:
                self._call(1)
        if loop not in self._calling:
            # Further threads not at once: what came in together is put into the queue before it is shared out.
            self._calling.add(loop)
            loop.call_soon(self._call_more, loop)
        if len(entries) == 1:
            return await entries[0].result
        return Scores.joined(await asyncio.gather(*(entry.result for entry in entries)))

    def close(self) -> None:
        """Finish what waits and end the threads."""
        with self._lock:
            self._closed = True
        for _ in self._threads:
            self._calls.put(False)
        for thread in self._threads:
            thread.join()

    @property
    def _idle(self) -> int:
        return len(self._threads) - len(self._running)

    def _call_more(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call as many idle threads as the waiting work is worth."""
        self._calling.discard(loop)
        with self._lock:
            wanted = sum(len(queue.entries) for queue in self._waiting)
            if max(self._running, default=0.0) < SMALL_WORK:
                wanted = min(wanted, int(sum(queue.work for queue in self._waiting) / SMALL_WORK))
            self._call(min(wanted, self._idle - self._called))

    def _call(self, threads: int) -> None:
        for _ in range(threads):
            self._called += 1
            self._calls.put(True)

    def _work(self) -> None:
        going_on = True
        while going_on:
            going_on = self._calls.get()
            with self._lock:
                self._called -= going_on
            while taken := self._take():
                self._run(*taken)

    def _take(self) -> tuple[ModelQueue, list[Entry], float] | None:
        """Take a batch of the queue whose turn it is, and the seconds charged for it; None where nothing waits."""
        with self._lock:
            while self._waiting:
                queue = min(self._waiting, key=lambda each: each.served)
                batch = queue.cut(max(1, min(self._idle, int(queue.work / SMALL_WORK))))
                if not queue.entries:
                    self._waiting.remove(queue)
                if batch:
                    charged = queue.seconds_per_image * _images(batch)
                    self._running.append(charged)
                    self._now = queue.served
                    queue.served += charged
                    return queue, batch, charged
        return None

    def _run(self, queue: ModelQueue, batch: list[Entry], charged: float) -> None:
        started = time.perf_counter()
        try:
            scores = queue.model.score(_stacked([entry.images for entry in batch]))
            outcomes: Sequence[_Outcome] = list(scores.split([len(entry.images) for entry in batch]))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            outcomes = [error] * len(batch)
        elapsed = time.perf_counter() - started
        with self._lock:
            self._running.remove(charged)
            queue.served += elapsed - charged
            queue.learn(elapsed / _images(batch))
        _settle(batch, outcomes)
        queue.observe(_images(batch), elapsed, [started - entry.since for entry in batch])


def _images(batch: list[Entry]) -> int:
    return sum(len(entry.images) for entry in batch)


def _stacked(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return images[0] if len(images) == 1 else np.concatenate(images)


def _settle(batch: list[Entry], outcomes: Sequence[_Outcome]) -> None:
    """Hand out a batch's outcomes, with one call into each event loop that waits."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Scores], _Outcome]]] = {}
    for entry, outcome in zip(batch, outcomes, strict=True):
        by_loop.setdefault(entry.loop, []).append((entry.result, outcome))
    for loop, settled in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_set_results, settled)


def _set_results(settled: list[tuple[asyncio.Future[Scores], _Outcome]]) -> None:
    for result, outcome in settled:
        if result.done():
            continue
        if isinstance(outcome, Exception):
            result.set_exception(outcome)
        else:
            result.set_result(outcome)
