"""From the images of a request to a model's scores: let in, decoded, queued, and all that within a time."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError
from models.images import ImageError, decode_image, is_tiny
from models.preprocessing import to_input
from models.scores import Scores
from service.inference.decoders import Decoders
from service.inference.loaded_models import LoadedModel, LoadedModels
from service.settings import Settings


class DeadlineError(LookalikeError):
    """The work was not done in time, and is not done any more."""


@dataclass(frozen=True, eq=False)
class ScoredFiles:
    """What became of N image files."""

    errors: list[ImageError | None]
    """``[N]``: why a file can't be read; None for the others."""
    scores: Scores
    """Of those others, in their order."""


class Scorer:
    """Scores images; what has no room or no time is refused, what its caller gives up is dropped."""

    def __init__(self, models: LoadedModels, settings: Settings) -> None:
        self._models, self._settings = models, settings
        self._decoders = Decoders(settings.cpu_threads)

    async def score_files(self, loaded: LoadedModel, files: Sequence[bytes]) -> ScoredFiles:
        """Decode image files and run them; a bad one fails alone.

        Raises ``OverloadedError``, ``DeadlineError``, or ``ClosedError`` while the service stops.
        """
        async with loaded.admission.of(len(files)), _InTime(self._settings.deadline_seconds):
            images = await self._decoded(loaded, files)
            readable = [image for image in images if not isinstance(image, ImageError)]
            return ScoredFiles(
                [image if isinstance(image, ImageError) else None for image in images],
                await self._score(loaded, np.stack(readable)) if readable else loaded.classifier.no_scores(),
            )

    async def score_images(self, loaded: LoadedModel, images: NDArray[np.uint8]) -> Scores:
        """Run images ``[N, H, W, C]`` of the model's own size; raises as ``score_files`` does."""
        async with loaded.admission.of(len(images)), _InTime(self._settings.deadline_seconds):
            return await self._score(loaded, images)

    def close(self) -> None:
        """End the threads, when what they work on is done."""
        self._decoders.close()

    async def _score(self, loaded: LoadedModel, images: NDArray[np.uint8]) -> Scores:
        scores = await self._models.score(loaded, images)
        loaded.metrics.scored(scores)
        return scores

    async def _decoded(self, loaded: LoadedModel, files: Sequence[bytes]) -> list[NDArray[np.uint8] | ImageError]:
        decoded = [
            self._decode(data, loaded)
            if is_tiny(data)
            else self._decoders.submit(loaded, partial(self._decode, data, loaded))
            for data in files
        ]
        try:
            return [await each if isinstance(each, asyncio.Future) else each for each in decoded]
        finally:  # whoever gives up, or meets an error, awaits only one of them
            for each in decoded:
                if isinstance(each, asyncio.Future):
                    each.cancel()

    def _decode(self, data: bytes, loaded: LoadedModel) -> NDArray[np.uint8] | ImageError:
        settings = self._settings
        if len(data) > settings.max_image_bytes:
            return ImageError("image_too_large", f"the file is larger than {settings.max_image_bytes:,} bytes")
        started = time.perf_counter()
        try:
            image = decode_image(data, max_pixels=settings.max_image_pixels)
            return to_input(image, loaded.classifier.manifest.input)
        except ImageError as error:
            return error
        finally:
            loaded.metrics.decode.observe(time.perf_counter() - started)


class _InTime:
    """``async with`` it: cancels the block when its time is over, and raises ``DeadlineError``."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._timeout = seconds, asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise DeadlineError(f"the service did not get to it within {self._seconds:g} s; try again") from late
