"""Where the pixels of a step come from: the device's memory, or files that are read ahead of time."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augmentation import crop_boxes
from training.batches import Microbatch, Step
from training.data.pictures import FilePictures, Pictures

Area = tuple[float, float]


class ResidentImages:
    """All training images in the device's memory, as bytes."""

    crops = False
    """Whether the pictures come cropped as the draws say."""

    def __init__(self, images: NDArray[np.uint8], device: torch.device) -> None:
        """``images`` uint8 ``[N, H, W, C]``, in the order of the training labels."""
        self._images = torch.from_numpy(images).to(device)

    def of(self, taken: Iterator[Step]) -> Iterator[tuple[Step, list[Tensor]]]:
        """Each step with the images of its parts, uint8 ``[n, C, H, W]`` on the device."""
        for step in taken:
            rows = [part.rows.to(self._images.device) for part in step.parts]
            yield step, [self._images[each].permute(0, 3, 1, 2) for each in rows]


class StreamedImages:
    """Training images read from their files by threads, some steps ahead; decoding leaves Python's lock alone.

    Crops are cut from the whole picture, so that they are as sharp as it is.
    """

    def __init__(self, pictures: FilePictures, crop_area: Area | None, device: torch.device, *, ahead: int = 4) -> None:
        """``pictures`` in the order of the training labels; ``ahead`` steps are read before they are needed."""
        self._pictures, self._area, self._device, self._ahead = pictures, crop_area, device, ahead
        self.crops = crop_area is not None

    def of(self, taken: Iterator[Step]) -> Iterator[tuple[Step, list[Tensor]]]:
        """Each step with the images of its parts, uint8 ``[n, C, H, W]`` on the device; raises ``PictureError``."""
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        threads = ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)) // processes))
        waiting: deque[tuple[Step, list[list[Future[NDArray[np.uint8]]]]]] = deque()

        def ask(step: Step) -> None:
            waiting.append((step, [self._ask(part, threads) for part in step.parts]))

        try:
            for step in islice(taken, self._ahead):
                ask(step)
            while waiting:
                step, parts = waiting.popleft()
                if (following := next(taken, None)) is not None:
                    ask(following)
                yield step, [self._gather(pictures) for pictures in parts]
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def _ask(self, part: Microbatch, threads: ThreadPoolExecutor) -> list[Future[NDArray[np.uint8]]]:
        rows = part.rows.tolist()
        if self._area is None or part.draws.crops is None:
            return [threads.submit(self._pictures.one, row) for row in rows]
        boxes = part.draws.crops
        return [threads.submit(self._crop, row, boxes[i : i + 1]) for i, row in enumerate(rows)]

    def _crop(self, row: int, draws: Tensor) -> NDArray[np.uint8]:
        assert self._area is not None
        picture = self._pictures.decoded(row)
        height, width = picture.shape[:2]
        top, left, tall, wide = crop_boxes(draws, self._area, height, width)[0].tolist()
        return self._pictures.cropped(picture, top, left, tall, wide)

    def _gather(self, pictures: list[Future[NDArray[np.uint8]]]) -> Tensor:
        images = torch.from_numpy(np.stack([each.result() for each in pictures]))
        if self._device.type == "cuda":
            images = images.pin_memory()
        return images.to(self._device, non_blocking=True).permute(0, 3, 1, 2)


Feed = ResidentImages | StreamedImages


def make_feed(pictures: Pictures, crop_area: Area | None, device: torch.device) -> Feed:
    """Keep pictures that are in memory on the device, and stream those in files."""
    if isinstance(pictures, FilePictures):
        return StreamedImages(pictures, crop_area, device)
    return ResidentImages(pictures, device)
