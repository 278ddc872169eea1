"""Writes of one turn of the event loop go to the network together.

uvicorn writes the head of an answer and its body one after the other, which is two system calls, two packets, and two
wake-ups of the client.
"""

import asyncio
from typing import Any

_MOST_HELD = 65_536
"""Bytes; beyond them writes are not held back, so that the transport's flow control sees them."""


class JoinedWrites:
    """A transport whose writes wait for the end of the event loop's turn; all else is the wrapped transport's."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._bytes = self._passed_on = 0
        self.is_closing, self.resume_reading = transport.is_closing, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Hold bytes back to the end of this turn, or write them at once where they are many."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._bytes += len(data)
        if self._bytes > _MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._passed_on += self._bytes
            self._bytes = 0
            self._transport.write(data)

    def close(self) -> None:
        """Write what is held, and close."""
        self.flush()
        self._transport.close()

    @property
    def taken(self) -> int:
        """How many bytes the network has taken, ever."""
        return self._passed_on - self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
