"""What bodies may take of the process: bounded together, given back, and given up when they stop coming."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from fastapi import Request

from service.http.bodies import BodyTooLargeError, read_body
from service.http.body_guard import PROGRESS_BYTES, BodyGuard, BodyRefusedError, hold

T = TypeVar("T")
Chunks = Callable[[], AsyncIterator[bytes]]


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop whose clock goes by what is waited for: a busy machine hurries nobody."""

    virtual = 0.0

    def time(self) -> float:
        return self.virtual

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self.virtual = max(self.virtual, self._scheduled[0]._when)
        super()._run_once()


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, like ``asyncio.run``."""
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(main)


async def reads(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the body."""
    await Request(scope, receive).body()


def request(chunks: AsyncIterator[bytes]) -> tuple[dict[str, Any], Any]:
    """Scope and receive of a request whose body comes as the iterator gives it."""

    async def receive() -> dict[str, Any]:
        try:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}

    return {"type": "http", "method": "POST", "path": "/", "headers": []}, receive


async def at_once(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def dribble(piece: bytes, every: float) -> AsyncIterator[bytes]:
    """A client that never ends."""
    while True:
        await asyncio.sleep(every)
        yield piece


async def nothing(message: Any) -> None:
    pytest.fail(f"nothing is sent: {message}")


def sent_to(guard: BodyGuard, chunks: AsyncIterator[bytes]) -> Any:
    return guard(*request(chunks), nothing)


def test_what_is_received_counts_until_the_request_ends() -> None:
    """Bytes count from when they come, whatever was announced, and no longer when the request is over."""

    async def run() -> None:
        seen: list[int] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            seen.append(guard.held)
            for _ in range(3):
                await receive()
                seen.append(guard.held)
            raise RuntimeError("however it ends")

        guard = BodyGuard(application, most=100, each=100, seconds=60)
        with pytest.raises(RuntimeError):
            await sent_to(guard, at_once(b"a" * 10, b"b" * 20))
        assert seen == [0, 10, 30, 30]
        assert guard.held == 0

    in_virtual_time(run())


def test_bodies_together_are_bounded() -> None:
    """A body for which there is no room beside the others is refused with 503, and those go on undisturbed."""

    async def run() -> None:
        came, go_on = asyncio.Event(), asyncio.Event()

        async def waits() -> AsyncIterator[bytes]:
            yield b"x" * 60
            came.set()
            await go_on.wait()
            yield b"x" * 40

        guard = BodyGuard(reads, most=100, each=100, seconds=60)
        first = asyncio.create_task(sent_to(guard, waits()))
        await came.wait()
        with pytest.raises(BodyRefusedError) as refused:
            await sent_to(guard, at_once(b"y" * 41))
        assert (refused.value.status_code, refused.value.code) == (503, "overloaded")
        assert refused.value.headers == {"Retry-After": "1"}
        assert guard.held == 60
        await sent_to(guard, at_once(b"y" * 40))
        go_on.set()
        await first
        assert guard.held == 0

    in_virtual_time(run())


def test_a_body_that_never_fits_is_too_large() -> None:
    """Who could try again for ever is told that it is the body's size."""
    guard = BodyGuard(reads, most=100, each=100, seconds=60)
    with pytest.raises(BodyRefusedError) as refused:
        in_virtual_time(sent_to(guard, at_once(b"x" * 50, b"x" * 51)))
    assert (refused.value.status_code, refused.value.code) == (413, "body_too_large")


def test_a_route_that_says_nothing_gets_little() -> None:
    """A body whose route names no limit has the one for all such; where the route has its own, that counts."""

    async def limits_itself(scope: Any, receive: Any, send: Any) -> None:
        await read_body(Request(scope, receive), 80)

    with pytest.raises(BodyRefusedError, match="larger than 10 bytes"):
        in_virtual_time(sent_to(BodyGuard(reads, most=100, each=10, seconds=60), at_once(b"x" * 11)))
    guard = BodyGuard(limits_itself, most=100, each=10, seconds=60)
    in_virtual_time(sent_to(guard, at_once(b"x" * 80)))
    with pytest.raises(BodyTooLargeError, match="larger than 80 bytes"):
        in_virtual_time(sent_to(guard, at_once(b"x" * 81)))


def test_what_was_written_elsewhere_no_longer_counts() -> None:
    """A body of any size fits where the route puts it on the disk as it comes."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        made = Request(scope, receive)
        async for _ in made.stream():
            hold(made, 0)

    guard = BodyGuard(application, most=100, each=100, seconds=60)
    in_virtual_time(sent_to(guard, at_once(*[b"x" * 90] * 50)))
    assert guard.held == 0


@pytest.mark.parametrize("every", [0.001, 3600], ids=["a byte now and then", "nothing at all"])
def test_a_body_that_dawdles_is_given_up(every: float) -> None:
    """A client that sends nothing, or a byte from time to time, is refused with 408 when patience is over."""
    guard = BodyGuard(reads, most=10**9, each=10**9, seconds=0.05)
    with pytest.raises(BodyRefusedError) as refused:
        in_virtual_time(sent_to(guard, dribble(b"x", every)))
    assert (refused.value.status_code, refused.value.code) == (408, "body_timeout")
    assert guard.held == 0


def test_progress_is_rewarded_with_patience() -> None:
    """A large body may take many times as long as a pause may, as long as it makes progress."""

    async def steady() -> AsyncIterator[bytes]:
        for _ in range(10):
            await asyncio.sleep(0.02)
            yield b"x" * PROGRESS_BYTES

    guard = BodyGuard(reads, most=10**9, each=10**9, seconds=0.1)
    in_virtual_time(sent_to(guard, steady()))


def test_the_services_own_time_is_not_the_clients() -> None:
    """While the service does something else than wait for the body, patience does not run out."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async for _ in Request(scope, receive).stream():
            await asyncio.sleep(0.06)

    guard = BodyGuard(application, most=100, each=100, seconds=0.05)
    in_virtual_time(sent_to(guard, at_once(b"a", b"b", b"c")))


def test_after_the_body_nothing_is_hurried() -> None:
    """Whoever waits for the client to leave, once the body is there, waits as long as it takes."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert not (await receive())["more_body"]
        assert (await receive())["type"] == "http.disconnect"

    async def run() -> None:
        messages = [{"type": "http.request", "body": b"x", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await asyncio.sleep(0.1)
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        await BodyGuard(application, most=100, each=100, seconds=0.01)(scope, receive, nothing)

    in_virtual_time(run())
