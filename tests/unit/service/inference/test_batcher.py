"""The batcher: order, bounds, fairness, failures and the end, with models that do as they are told."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.scores import Scores
from service.inference.batcher import Batcher, ClosedError
from service.inference.model_queue import Entry, ModelQueue


def scores(values: NDArray[np.uint8]) -> Scores:
    column = values.astype(np.float32).reshape(-1, 1)
    return Scores(column, -column, *[column.astype(float)] * 2, column.astype(int), column[:, 0] > 0)


class Model:
    """Returns each image's number as its logit; waits while it is held; fails on the number 13."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered, self.free = threading.Semaphore(0), threading.Event()
        self.free.set()
        self.outputs_short = False

    def score(self, images: NDArray[np.uint8]) -> Scores:
        numbers = images[:, 0, 0, 0]
        self.entered.release()
        assert self.free.wait(60)
        self.batches.append(numbers.tolist())
        if 13 in numbers:
            raise RuntimeError("unlucky")
        return scores(numbers[1:] if self.outputs_short else numbers)


def images(*numbers: int) -> NDArray[np.uint8]:
    return np.array(numbers, dtype=np.uint8).reshape(-1, 1, 1, 1)


def numbers(outcome: Scores) -> list[int]:
    assert (outcome.embeddings == -outcome.logits).all()
    return [int(value) for value in outcome.logits[:, 0]]


class Bench:
    """A batcher of one thread or more, a held model, and a queue before it."""

    def __init__(self, *, threads: int = 1, max_batch: int = 4, budget: float = float("inf")) -> None:
        self.batcher = Batcher(threads)
        self.model = Model()
        self.queue = ModelQueue(self.model, max_batch=max_batch, budget=budget)

    async def score(self, *numbers: int) -> Scores:
        return await self.batcher.score(self.queue, images(*numbers))

    async def hold(self) -> "asyncio.Task[Scores]":
        """Occupy a thread with image 0."""
        self.model.free.clear()
        self.model.entered = threading.Semaphore(0)
        first = asyncio.create_task(self.score(0))
        await self.entered()
        return first

    async def entered(self) -> None:
        """Wait until a thread is in the model."""
        assert await asyncio.to_thread(self.model.entered.acquire, timeout=60)

    async def put(self, *numbers: int, queue: ModelQueue | None = None) -> "asyncio.Task[Scores]":
        """Put images into a queue, and see that they are there."""
        queue = queue or self.queue
        before = sum(len(entry.images) for entry in queue.entries)
        task = asyncio.create_task(self.batcher.score(queue, images(*numbers)))
        await asyncio.sleep(0)
        assert sum(len(entry.images) for entry in queue.entries) == before + len(numbers)
        return task


Make = Callable[..., Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make batchers that are closed at the end."""
    made: list[Bench] = []

    def bench(**options: Any) -> Bench:
        made.append(Bench(**options))
        return made[-1]

    yield bench
    for each in made:
        each.model.free.set()
        each.batcher.close()


def test_scores_come_back_in_the_order_of_the_images(make: Make) -> None:
    """A caller gets the scores of each image at its own place, across batches and threads."""
    bench = make(threads=3, max_batch=2)

    async def main() -> list[Scores]:
        return await asyncio.gather(*(bench.score(*range(start, start + 7)) for start in range(20, 80, 10)))

    for start, outcome in zip(range(20, 80, 10), asyncio.run(main()), strict=True):
        assert numbers(outcome) == list(range(start, start + 7))


def test_no_batch_is_larger_than_the_largest(make: Make) -> None:
    """Waiting requests run together, none cut in two that fits, and never more images than ``max_batch``."""
    bench = make(max_batch=4)

    async def main() -> None:
        tasks = [await bench.hold(), await bench.put(1, 2, 3), await bench.put(4), await bench.put(5, 6)]
        tasks += [await bench.put(7, 8, 9), await bench.put(20, 21, 22, 23, 24)]
        bench.model.free.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert bench.model.batches == [[0], [1, 2, 3, 4], [5, 6], [7, 8, 9], [20, 21, 22, 23], [24]]


def test_an_idle_model_does_not_wait_for_more(make: Make) -> None:
    """A single image runs at once, alone."""
    bench = make(max_batch=32)
    assert numbers(asyncio.run(bench.score(5))) == [5]
    assert bench.model.batches == [[5]]


def test_what_comes_together_runs_together(make: Make) -> None:
    """What arrives while the first image is taken makes one batch, and little work wakes no second thread."""
    bench = make(threads=2, max_batch=32)
    bench.queue.learn(1e-6)
    bench.queue.learn = lambda _: None  # the first image is held, and would pass for slow

    async def main() -> None:
        tasks = [await bench.hold(), *[await bench.put(number) for number in range(1, 6)]]
        bench.model.free.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert bench.model.batches == [[0], [1, 2, 3, 4, 5]]


def test_idle_threads_share_what_waits(make: Make) -> None:
    """Where there is much to do a second idle thread takes its part, instead of looking on."""
    bench = make(threads=2, max_batch=32)
    bench.queue.learn(1.0)
    bench.model.free.clear()

    async def main() -> None:
        together = asyncio.gather(*(bench.score(number) for number in range(1, 9)))
        await bench.entered()
        await bench.entered()
        bench.model.free.set()
        await together

    asyncio.run(main())
    assert sorted(number for batch in bench.model.batches for number in batch) == list(range(1, 9))


def test_a_batch_is_an_even_share(make: Make) -> None:
    """Of ten waiting images each of three threads takes four, or what is left."""
    bench = make(max_batch=32)

    async def main() -> None:
        tasks = [await bench.hold(), *[await bench.put(number) for number in range(1, 11)]]
        shares = [bench.queue.cut(3), bench.queue.cut(2), bench.queue.cut(1), bench.queue.cut(1)]
        assert [len(share) for share in shares] == [4, 3, 3, 0]
        bench.model.free.set()
        await tasks[0]
        for task in tasks[1:]:
            task.cancel()

    asyncio.run(main())


def test_batches_shrink_to_the_time_they_may_take(make: Make) -> None:
    """Once it is known how long an image takes, batches are cut to the budget, but not to less than one image."""
    queue = ModelQueue(Model(), max_batch=32, budget=0.1)
    assert queue.largest_batch == 32
    queue.learn(0.02)
    assert queue.largest_batch == 5
    for _ in range(50):
        queue.learn(1.0)
    assert queue.largest_batch == 1


@pytest.mark.parametrize(("waited", "images"), [(0.0, 5), (0.4, 5), (0.8, 10), (60.0, 20)])
def test_a_backlog_makes_batches_larger(waited: float, images: int) -> None:
    """Images that have waited for long are run in batches of a quarter of that time, at most four times the budget."""
    queue = ModelQueue(Model(), max_batch=32, budget=0.1)
    queue.learn(0.02)
    since = time.perf_counter() - waited - 1e-3
    loop = asyncio.new_event_loop()
    queue.entries.extend(Entry(np.zeros((1, 1, 1, 1), np.uint8), loop, loop.create_future(), since) for _ in range(40))
    loop.close()
    assert len(queue.cut(1)) == images


def test_who_left_makes_no_batch_larger() -> None:
    """An image that was given up after a long wait stretches no batch: only those who still wait count."""
    queue = ModelQueue(Model(), max_batch=32, budget=0.1)
    queue.learn(0.02)
    loop = asyncio.new_event_loop()
    gone = Entry(images(1), loop, loop.create_future(), time.perf_counter() - 60)
    gone.result.cancel()
    queue.entries.extend([gone, *(Entry(images(2), loop, loop.create_future()) for _ in range(40))])
    assert len(queue.cut(1)) == 5
    loop.close()


def test_a_flood_on_one_model_leaves_the_others_their_share(make: Make) -> None:
    """A request to a quiet model is next, although a hundred to another one came before."""
    bench = make(max_batch=4)
    quiet = ModelQueue(bench.model, max_batch=4)

    async def main() -> None:
        tasks = [await bench.hold()] + [await bench.put(100) for _ in range(100)]
        tasks.append(await bench.put(7, queue=quiet))
        bench.model.free.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert [7] in bench.model.batches[:3]


def test_an_idle_model_saves_up_no_claim(make: Make) -> None:
    """A model that was idle for long does not then keep the others from the threads for as long."""
    bench = make()
    late = ModelQueue(bench.model, max_batch=4)
    bench.queue.served = 100.0

    async def main() -> None:
        await bench.score(1)
        tasks = [await bench.hold(), await bench.put(2, queue=late)]
        bench.model.free.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert late.served >= 100


def test_a_failing_batch_fails_its_own_images_only(make: Make) -> None:
    """The callers of a failed batch get its error; those before and after it get their scores."""
    bench = make(max_batch=2)

    async def main() -> list[Any]:
        tasks = [await bench.hold(), await bench.put(1, 2), await bench.put(13)]
        tasks += [await bench.put(14), await bench.put(3, 4)]
        bench.model.free.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, before, failed, failed_with_it, after = asyncio.run(main())
    assert [numbers(outcome) for outcome in (first, before, after)] == [[0], [1, 2], [3, 4]]
    assert str(failed) == str(failed_with_it) == "unlucky"
    assert bench.model.batches == [[0], [1, 2], [13, 14], [3, 4]]


def test_a_model_that_returns_too_little_fails_the_batch(make: Make) -> None:
    """A model with scores of fewer images is an error for those who wait, and the next batch is served."""
    bench = make()

    async def main() -> Scores:
        bench.model.outputs_short = True
        with pytest.raises(ValueError, match="scores of 1 images for 2"):
            await asyncio.wait_for(bench.score(1, 2), 60)
        bench.model.outputs_short = False
        return await asyncio.wait_for(bench.score(3), 60)

    assert numbers(asyncio.run(main())) == [3]


def test_cancelled_images_are_never_run(make: Make) -> None:
    """The images of a caller that went away while they waited cost the model nothing."""
    bench = make()

    async def main() -> list[Scores]:
        first, gone, staying = await bench.hold(), await bench.put(1, 2), await bench.put(3)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        bench.model.free.set()
        return await asyncio.gather(first, staying)

    assert [numbers(outcome) for outcome in asyncio.run(main())] == [[0], [3]]
    assert bench.model.batches == [[0], [3]]


def test_closing_finishes_what_waits_and_takes_nothing_new(make: Make) -> None:
    """Closing answers all that was accepted, ends the threads, and refuses what comes later."""
    bench = make(max_batch=2)

    async def main() -> list[Scores]:
        tasks = [await bench.hold(), await bench.put(1, 2, 3)]
        closing = threading.Thread(target=bench.batcher.close)
        closing.start()
        while not bench.batcher._closed:
            assert closing.is_alive()
        with pytest.raises(ClosedError):
            await bench.score(4)
        bench.model.free.set()
        await asyncio.to_thread(closing.join)
        return await asyncio.gather(*tasks)

    assert [numbers(outcome) for outcome in asyncio.run(main())] == [[0], [1, 2, 3]]
    assert not any(thread.is_alive() for thread in bench.batcher._threads)


def test_a_caller_whose_loop_has_ended_does_no_harm(make: Make) -> None:
    """Scores for an event loop that is gone are dropped, and the thread goes on for others."""
    bench = make()

    async def abandoned() -> None:
        task = await bench.hold()
        task.cancel()

    asyncio.run(abandoned())
    bench.model.free.set()
    assert numbers(asyncio.run(bench.score(7))) == [7]


def test_a_batch_is_heard_of_with_its_times(make: Make) -> None:
    """Who observes a queue learns how many images a batch had, how long it took and how long each request waited."""
    heard: list[Any] = []
    bench = make()
    queue = ModelQueue(bench.model, max_batch=4, observe=lambda *what: heard.append(what))
    asyncio.run(bench.batcher.score(queue, images(1, 2, 3)))
    bench.batcher.close()
    ((count, seconds, waited),) = heard
    assert (count, len(waited)) == (3, 1)
    assert seconds > 0 <= waited[0]
