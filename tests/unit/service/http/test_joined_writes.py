"""Tests that answers leave in one piece, and that nothing is held back for longer than a turn of the event loop."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.http.joined_writes import JoinedWrites


class Network:
    """A transport that remembers what it was told to do."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []
        self.is_closing = self.resume_reading = lambda: None

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("close")

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


def written(*pieces: bytes, close: bool = False) -> list[Any]:
    """What reaches the network of pieces written in one turn of the loop."""
    network = Network()

    async def main() -> None:
        joined = JoinedWrites(network, asyncio.get_running_loop())  # type: ignore[arg-type]
        for piece in pieces:
            joined.write(piece)
        if close:
            joined.close()
        await asyncio.sleep(0)

    asyncio.run(main())
    return network.told


def test_head_and_body_leave_together() -> None:
    """An answer's head and its body are one write to the network."""
    assert written(b"HTTP/1.1 200 OK\r\n\r\n", b"{}") == [b"HTTP/1.1 200 OK\r\n\r\n{}"]


def test_closing_loses_nothing() -> None:
    """What was written before the connection is closed leaves before that."""
    assert written(b"last ", b"words", close=True) == [b"last words", "close"]


def test_much_is_not_held_back() -> None:
    """A stream that never waits reaches the transport, whose flow control must see it, before its turn ends."""
    network = Network()

    async def main() -> None:
        joined = JoinedWrites(network, asyncio.get_running_loop())  # type: ignore[arg-type]
        joined.write(bytes(100_000))
        assert network.told

    asyncio.run(main())


@given(st.lists(st.binary(max_size=40_000), max_size=8), st.booleans())
def test_all_arrives_in_order(pieces: list[bytes], close: bool) -> None:
    """Whatever is written, the network gets these bytes in this order."""
    told = written(*pieces, close=close)
    assert b"".join(each for each in told if isinstance(each, bytes)) == b"".join(pieces)


def test_the_rest_is_the_transports() -> None:
    """All that is no writing is answered by the transport itself."""

    async def main() -> None:
        joined = JoinedWrites(Network(), asyncio.get_running_loop())  # type: ignore[arg-type]
        assert joined.get_extra_info("peername") == "the peername"

    asyncio.run(main())
