"""How much work is let in: a bound on the images that are being decoded, wait, or run."""

from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import LookalikeError


class OverloadedError(LookalikeError):
    """There is no room for more work; try again later."""


class Admission:
    """Counts images from before their decoding to their answer. Used from the event loop alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.admitted = 0
        """How many there are now."""

    @contextmanager
    def of(self, images: int) -> Iterator[None]:
        """Hold room for some images; raises ``OverloadedError`` at once where there is none."""
        if self.admitted + images > self._most:
            raise OverloadedError("the service is busy; try again in a second")
        self.admitted += images
        try:
            yield
        finally:
            self.admitted -= images
