"""Threads that decode images for several models in turn: a flood on one doesn't keep the others' images waiting."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class _Work(Generic[_T]):
    act: Callable[[], _T]
    result: Future[_T] = field(default_factory=Future)


class Decoders:
    """The threads, and a queue for each model, of which they take one image after the other."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, deque[_Work[Any]]] = {}
        """Queues that are not empty, in the order of their turns."""

    def submit(self, model: Hashable, act: Callable[[], _T]) -> asyncio.Future[_T]:
        """Call it in a thread when the model's turn has come; cancelled before, it is let go of at once."""
        work: _Work[_T] = _Work(act)
        with self._lock:
            self._waiting.setdefault(model, deque()).append(work)
        work.result.add_done_callback(partial(self._drop_cancelled, model, work))
        self._threads.submit(self._work)
        return asyncio.wrap_future(work.result)

    def close(self) -> None:
        """Do what waits and end the threads."""
        self._threads.shutdown()

    def _work(self) -> None:
        with self._lock:
            if not self._waiting:  # what this call was for was cancelled
                return
            model = next(iter(self._waiting))
            queue = self._waiting.pop(model)
            work = queue.popleft()
            if queue:
                self._waiting[model] = queue  # the others come first now
        if not work.result.set_running_or_notify_cancel():
            return
        try:
            work.result.set_result(work.act())
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits must hear of it
            work.result.set_exception(error)

    def _drop_cancelled(self, model: Hashable, work: _Work[Any], result: Future[Any]) -> None:
        if not result.cancelled():
            return
        with self._lock:
            queue = self._waiting.get(model, deque())
            if work in queue:
                queue.remove(work)
                if not queue:
                    del self._waiting[model]
