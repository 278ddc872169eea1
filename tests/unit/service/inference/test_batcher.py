"""The batcher: order, bounds, failures and the end, with a model that does as it is told."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.inference.batcher import Batcher, ClosedError


class Model:
    """Returns each image's number as its logit; waits while it is held; fails on the number 13."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.busy, self.free = threading.Event(), threading.Event()
        self.free.set()
        self.outputs_short = False

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        numbers = images[:, 0, 0, 0].tolist()
        self.busy.set()
        assert self.free.wait(60)
        self.batches.append(numbers)
        if 13 in numbers:
            raise RuntimeError("unlucky")
        values = images[:, 0, 0, :1].astype(np.float32)
        return (values[1:] if self.outputs_short else values), -values


def image(number: int) -> NDArray[np.uint8]:
    return np.full((1, 1, 1), number, dtype=np.uint8)


def images(*numbers: int) -> list[NDArray[np.uint8]]:
    return [image(number) for number in numbers]


def numbers(outputs: Any) -> list[int]:
    return [int(logits[0]) for logits, _ in outputs]


@pytest.fixture
def model() -> Model:
    return Model()


Make = Callable[..., Batcher]


@pytest.fixture
def make(model: Model) -> Iterator[Make]:
    """Make batchers that are closed at the end."""
    made: list[Batcher] = []

    def batcher(*, threads: int = 1, max_batch: int = 4) -> Batcher:
        made.append(Batcher(model, threads=threads, max_batch=max_batch))
        return made[-1]

    yield batcher
    model.free.set()
    for each in made:
        each.close()


async def hold(model: Model, batcher: Batcher) -> "asyncio.Task[Any]":
    """Occupy the one thread with image 0."""
    model.free.clear()
    model.busy.clear()
    first = asyncio.create_task(batcher.infer(images(0)))
    assert await asyncio.to_thread(model.busy.wait, 60)
    return first


async def queue(batcher: Batcher, *numbers: int) -> "asyncio.Task[Any]":
    """Put images into the queue, and see that they are there."""
    before = len(batcher._queue)
    task = asyncio.create_task(batcher.infer(images(*numbers)))
    await asyncio.sleep(0)
    assert len(batcher._queue) == before + len(numbers)
    return task


def test_outputs_come_back_in_the_order_of_the_images(make: Make) -> None:
    """A caller gets logits and embedding of each image at its own place, across batches and threads."""
    batcher = make(threads=3, max_batch=2)

    async def main() -> list[Any]:
        return await asyncio.gather(*(batcher.infer(images(*range(start, start + 7))) for start in range(20, 80, 10)))

    for start, outputs in zip(range(20, 80, 10), asyncio.run(main()), strict=True):
        assert numbers(outputs) == list(range(start, start + 7))
        assert [int(embedding[0]) for _, embedding in outputs] == [-n for n in range(start, start + 7)]


def test_no_batch_is_larger_than_the_largest(model: Model, make: Make) -> None:
    """Waiting images of several callers run together, and never more of them than ``max_batch``."""
    batcher = make(max_batch=4)

    async def main() -> None:
        tasks = [await hold(model, batcher), await queue(batcher, 1, 2, 3), await queue(batcher, 4, 5, 6)]
        model.free.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert model.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_an_idle_model_does_not_wait_for_more(model: Model, make: Make) -> None:
    """A single image runs at once, alone."""
    assert numbers(asyncio.run(make(max_batch=32).infer(images(5)))) == [5]
    assert model.batches == [[5]]


def test_a_failing_batch_fails_its_own_images_only(model: Model, make: Make) -> None:
    """The callers of a failed batch get its error; those before and after it get their outputs."""
    batcher = make(max_batch=2)

    async def main() -> list[Any]:
        tasks = [await hold(model, batcher), await queue(batcher, 1, 2), await queue(batcher, 13)]
        tasks += [await queue(batcher, 14), await queue(batcher, 3, 4)]
        model.free.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, before, failed, failed_with_it, after = asyncio.run(main())
    assert [numbers(outputs) for outputs in (first, before, after)] == [[0], [1, 2], [3, 4]]
    assert str(failed) == str(failed_with_it) == "unlucky"
    assert model.batches == [[0], [1, 2], [13, 14], [3, 4]]


def test_a_model_that_returns_too_little_fails_the_batch(model: Model, make: Make) -> None:
    """A model with fewer outputs than images is an error for those who wait, and the next batch is served."""
    batcher = make()

    async def main() -> list[Any]:
        model.outputs_short = True
        with pytest.raises(ValueError, match="shorter"):
            await asyncio.wait_for(batcher.infer(images(1, 2)), 60)
        model.outputs_short = False
        return await asyncio.wait_for(batcher.infer(images(3)), 60)

    assert numbers(asyncio.run(main())) == [3]


def test_cancelled_images_are_never_run(model: Model, make: Make) -> None:
    """The images of a caller that went away while they waited cost the model nothing."""
    batcher = make()

    async def main() -> list[Any]:
        first, gone, staying = await hold(model, batcher), await queue(batcher, 1, 2), await queue(batcher, 3)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        model.free.set()
        return await asyncio.gather(first, staying)

    assert [numbers(outputs) for outputs in asyncio.run(main())] == [[0], [3]]
    assert model.batches == [[0], [3]]


def test_closing_finishes_what_waits_and_takes_nothing_new(model: Model, make: Make) -> None:
    """Closing answers all that was accepted, ends the threads, and refuses what comes later."""
    batcher = make(max_batch=2)

    async def main() -> list[Any]:
        tasks = [await hold(model, batcher), await queue(batcher, 1, 2, 3)]
        closing = threading.Thread(target=batcher.close)
        closing.start()
        while not batcher._closed:
            assert closing.is_alive()
        with pytest.raises(ClosedError):
            await batcher.infer(images(4))
        model.free.set()
        await asyncio.to_thread(closing.join)
        return await asyncio.gather(*tasks)

    assert [numbers(outputs) for outputs in asyncio.run(main())] == [[0], [1, 2, 3]]
    assert not any(thread.is_alive() for thread in batcher._threads)


def test_a_caller_whose_loop_has_ended_does_no_harm(model: Model, make: Make) -> None:
    """Outputs for an event loop that is gone are dropped, and the thread goes on for others."""
    batcher = make()

    async def abandoned() -> None:
        task = await hold(model, batcher)
        task.cancel()

    asyncio.run(abandoned())
    model.free.set()
    assert numbers(asyncio.run(batcher.infer(images(7)))) == [7]
