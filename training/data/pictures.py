"""The pictures of a data set as model inputs: in memory, or read from their files when they are asked for."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labels.images.errors import ImageSourceError
from labels.images.source import ImageSource
from labels.places import listed
from models.errors import LookalikeError
from models.images import ImageError, decode_image
from models.preprocessing import InputSpec, to_input

RESIDENT_BYTES = 4 * 2**30
"""Data sets whose inputs take more are read from their files again and again instead of being held in memory."""

BadImages = Literal["stop", "skip"]
"""What becomes of images that can't be read: an error that names the first, or a warning and a run without them."""


class PictureError(LookalikeError):
    """An image of the data set can't be read; the message names it."""


@dataclass(frozen=True, eq=False)
class FilePictures:
    """Pictures in files, of any size; indexed by rows, like an array uint8 ``[N, height, width, channels]``."""

    source: ImageSource
    names: Sequence[str]
    input: InputSpec

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: "NDArray[np.integer] | slice") -> NDArray[np.uint8]:
        """Read, decode and fit the pictures of some rows, on all cores; raises ``PictureError``."""
        wanted = range(len(self))[rows] if isinstance(rows, slice) else [int(row) for row in rows]
        pictures = np.empty((len(wanted), self.input.height, self.input.width, self.input.channels), dtype=np.uint8)

        def place(i: int) -> None:
            pictures[i] = self.one(wanted[i])

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            for _ in threads.map(place, range(len(wanted))):
                pass
        return pictures

    def one(self, row: int) -> NDArray[np.uint8]:
        """The input made of one picture, ``[height, width, channels]``."""
        return to_input(self.decoded(row), self.input)

    def cropped(
        self, picture: NDArray[np.uint8], top: float, left: float, height: float, width: float
    ) -> NDArray[np.uint8]:
        """A box of a decoded picture, in its pixels, scaled to the input's size."""
        image = Image.fromarray(picture).convert("L" if self.input.channels == 1 else "RGB")
        box = (left, top, min(left + width, image.width), min(top + height, image.height))
        scaled = image.resize((self.input.width, self.input.height), Image.Resampling.BILINEAR, box=box)
        return np.asarray(scaled).reshape(self.input.height, self.input.width, self.input.channels)

    def decoded(self, row: int) -> NDArray[np.uint8]:
        """One picture as it is, ``[H, W]`` or ``[H, W, 3]``; raises ``PictureError``."""
        name = self.names[row]
        try:
            return decode_image(self.source.read(name))
        except (ImageError, ImageSourceError) as error:
            raise PictureError(
                f"the image {name[:200]!r} can't be read: {error} Mend or remove it, or train without such images by "
                "--bad-images skip"
            ) from error

    def subset(self, rows: NDArray[np.integer]) -> "FilePictures":
        """Some of the pictures, unread still."""
        return FilePictures(self.source, [self.names[int(row)] for row in rows], self.input)

    def readable(self) -> NDArray[np.bool_]:
        """Read every picture once; which of them can be, ``[N]``."""

        def can_be_read(row: int) -> bool:
            try:
                self.decoded(row)
            except PictureError:
                return False
            return True

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            return np.fromiter(threads.map(can_be_read, range(len(self))), dtype=bool, count=len(self))


Pictures = NDArray[np.uint8] | FilePictures
"""uint8 ``[N, height, width, channels]``, in memory or in files."""


def subset(pictures: Pictures, rows: NDArray[np.integer]) -> Pictures:
    """Some of the pictures, in memory only where all are."""
    return pictures.subset(rows) if isinstance(pictures, FilePictures) else pictures[rows]


def into_memory(*parts: FilePictures, resident_bytes: int = RESIDENT_BYTES) -> list[Pictures]:
    """Read all pictures of a place and close it, where together they take no more than ``resident_bytes``.

    Raises ``PictureError``.
    """
    size = sum(len(each) * each.input.height * each.input.width * each.input.channels for each in parts)
    if size > resident_bytes:
        return list(parts)
    read: list[Pictures] = [each[:] for each in parts]
    for each in parts:
        each.source.close()
    return read


def keep_readable(pictures: FilePictures, bad_images: BadImages) -> tuple[FilePictures, NDArray[np.intp], list[str]]:
    """Leave out those that can't be read, if that is asked for: reads them all once.

    Returns the pictures, their rows, and warnings. Raises ``PictureError`` where none is left.
    """
    if bad_images == "stop":
        return pictures, np.arange(len(pictures)), []
    readable = pictures.readable()
    kept = np.flatnonzero(readable)
    if kept.size == len(pictures):
        return pictures, kept, []
    if not kept.size:
        pictures.decoded(0)  # raises
    lost = [repr(pictures.names[int(row)][:80]) for row in np.flatnonzero(~readable)]
    warning = f"{len(lost)} of {len(pictures)} images can't be read and are left out: {listed(lost)}."
    return pictures.subset(kept), kept, [warning]


def input_for(source: ImageSource, names: Sequence[str], size: int | None) -> InputSpec:
    """What pictures are made into: squares of ``size`` pixels, or as they are where they are small and of one size.

    Goes by the first hundred that can be read: they are grey if all of these are. From ``CENTRE_CROP`` pixels on the
    shorter side is scaled to 8/7 of the size, and the centre cut out (ImageNet's 256 and 224). Raises ``PictureError``
    where a size is needed.
    """
    sizes, grey = set(), True
    for name in names[:_LOOKED_AT]:
        try:
            picture = decode_image(source.read(name))
        except (ImageError, ImageSourceError):
            continue
        sizes.add(picture.shape[:2])
        grey = grey and picture.ndim == 2
    channels: Literal[1, 3] = 1 if grey and sizes else 3
    if size is not None:
        return InputSpec(
            height=size, width=size, channels=channels, resize=size if size < CENTRE_CROP else round(size * 8 / 7)
        )
    if len(sizes) == 1:
        ((height, width),) = sizes
        if max(height, width) <= _SMALL:
            return InputSpec(height=height, width=width, channels=channels, resize=max(height, width))
    raise PictureError(
        f"the images are not all of one size of at most {_SMALL} pixels: say how large the network is to see them, for "
        "instance --size 224"
    )


CENTRE_CROP = 128
_LOOKED_AT, _SMALL = 100, 64
