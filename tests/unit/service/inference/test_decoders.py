"""The threads that decode: turns, failures, and what is given up."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from service.inference.decoders import Decoders


class Image:
    """Something to decode, whose end can be seen."""


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    """One thread."""
    decoders = Decoders(1)
    yield decoders
    decoders.close()


def test_models_take_turns(decoders: Decoders) -> None:
    """An image of one model waits for one of another that floods the threads, not for all of them."""
    done, free = [], threading.Event()

    async def run() -> None:
        held = decoders.submit("flooded", lambda: free.wait(60))
        flood = [decoders.submit("flooded", lambda i=i: done.append(i)) for i in range(20)]
        one = decoders.submit("quiet", lambda: done.append("one"))
        free.set()
        assert await held
        await asyncio.gather(one, *flood)

    asyncio.run(run())
    assert done == [0, "one", *range(1, 20)]


def test_what_is_given_up_is_let_go_of(decoders: Decoders) -> None:
    """Work that is cancelled before it began is not done, and its image is given back while the threads are busy."""
    free, done = threading.Event(), []

    async def run() -> None:
        held = decoders.submit("busy", lambda: free.wait(60))
        image = Image()
        gone = weakref.ref(image)
        waiting = [decoders.submit("busy", lambda image=image: done.append(image)) for _ in range(3)]
        others = decoders.submit("other", lambda: "done")
        del image
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0)
        waiting.clear()
        gc.collect()
        assert gone() is None
        free.set()
        assert await held
        assert await others == "done"

    asyncio.run(run())
    assert done == []


def test_a_failure_is_its_own(decoders: Decoders) -> None:
    """An error reaches who waits for that image, and the thread goes on."""

    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            await decoders.submit("model", lambda: 1 // 0)
        assert await decoders.submit("model", lambda: 2) == 2

    asyncio.run(run())
