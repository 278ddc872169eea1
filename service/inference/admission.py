"""How much work is let in: a bound on a model's images that are being decoded, wait, or run."""

import asyncio

from models.errors import LookalikeError


class OverloadedError(LookalikeError):
    """There is no room for more work; try again later."""


class Hold:
    """Keeps refusals back for a while, a bounded number of them at a time.

    A client that is refused at once and tries again at once costs the work that others' answers need; one that hears
    of it a second later doesn't.
    """

    def __init__(self, *, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._held = 0

    async def __call__(self) -> None:
        """Wait; returns at once where as many as are allowed wait already."""
        if self._held >= self._most:
            return
        self._held += 1
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._held -= 1


class Admission:
    """Counts images from before their decoding to their answer. Used from the event loop alone."""

    def __init__(self, most: int, hold: Hold) -> None:
        self._most, self._hold = most, hold
        self.admitted = 0
        """How many there are now."""
        self.refused = 0
        """How many there were no room for, ever."""

    def of(self, images: int) -> "_Room":
        """``async with`` it: holds room for some images.

        Where there is none, the refusal is kept back, and then ``OverloadedError`` raised.
        """
        return _Room(self, images)

    async def knock(self) -> None:
        """Look for room before the images are received: a refusal that is kept back should keep nothing in memory."""
        await self._refuse_without_room(1)

    async def enter(self, images: int) -> None:
        """Take room that ``leave`` gives back."""
        await self._refuse_without_room(images)
        self.admitted += images

    def leave(self, images: int) -> None:
        """Give room back."""
        self.admitted -= images

    async def _refuse_without_room(self, images: int) -> None:
        if self.admitted + images > self._most:
            self.refused += images
            await self._hold()
            raise OverloadedError("the service is busy; try again in a second")


class _Room:  # a class, for a generator would cost several times as much, at every request
    def __init__(self, admission: Admission, images: int) -> None:
        self._admission, self._images = admission, images

    async def __aenter__(self) -> None:
        await self._admission.enter(self._images)

    async def __aexit__(self, *_: object) -> None:
        self._admission.leave(self._images)
