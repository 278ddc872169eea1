"""The one resize and crop rule, shared by training and serving."""

import math
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

_Pixels = Annotated[int, Field(ge=1, le=8192)]


class InputSpec(BaseModel):
    """What a model takes in, and how a picture of any size becomes that.

    The rule, for a picture of ``H x W`` whose shorter side is ``s``:

    1. Think of the picture scaled so that its shorter side is ``resize``: by the exact factor ``resize / s``, the same
       for both sides, so the longer side need not come out whole.
    2. In it stands a window of ``height x width`` pixels. Its top edge is at ``floor((H * resize / s - height) / 2)``,
       its left edge at ``floor((W * resize / s - width) / 2)``: the centre, rounded towards the top left corner.
    3. Each pixel of the window is computed from the source by Pillow's bilinear filter, which widens with the factor
       (antialiasing) and sees the source's pixels beyond the window's edge. Values are rounded to 0..255.

    A picture whose shorter side is ``resize`` already is only cropped, bit for bit. The scaled picture is never built,
    so the work is bounded for a picture of any shape. Colour becomes grey by ITU-R 601-2 luma
    (``L = 0.299 R + 0.587 G + 0.114 B``, before scaling); grey becomes colour by repeating it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: _Pixels
    width: _Pixels
    channels: Literal[1, 3]
    resize: _Pixels

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.resize < max(self.height, self.width):
            raise ValueError(
                f"resize is {self.resize}: the shorter side must not become smaller than the window of "
                f"{self.height} x {self.width}"
            )
        return self


def to_input(image: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """Turn ``[H, W]`` grey or ``[H, W, 3]`` RGB into ``[height, width, channels]``, uint8, C-contiguous, writable.

    Raises ``ValueError`` for any other shape or type and for a picture without pixels.
    """
    if image.dtype != np.uint8 or image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"expected uint8 [H, W] or [H, W, 3] with pixels in it, got {image.dtype} {image.shape}")
    shorter = min(image.shape[:2])
    rows, top, bottom = _source_span(image.shape[0], shorter, spec.height, spec.resize)
    columns, left, right = _source_span(image.shape[1], shorter, spec.width, spec.resize)
    needed = _with_channels(image[rows, columns], spec.channels)
    if shorter == spec.resize:
        pixels = needed[int(top) : int(bottom), int(left) : int(right)]
    else:
        picture = Image.fromarray(needed)
        box = (left, top, right, bottom)
        pixels = np.asarray(picture.resize((spec.width, spec.height), Image.Resampling.BILINEAR, box=box))
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], spec.channels, axis=2)
    return np.array(pixels, order="C")


def _source_span(side: int, shorter: int, window: int, resize: int) -> tuple[slice, float, float]:
    """Where the window lies along one side of the source.

    Returns the source pixels that it needs, and the window's two edges, counted from the first of those: Pillow
    keeps edges as float32, which is too coarse for positions far from the origin.
    """
    edge = (side * resize - window * shorter) // (2 * shorter)  # in scaled pixels
    scale = shorter / resize
    start, stop = edge * scale, min((edge + window) * scale, side)
    reach = math.ceil(max(scale, 1.0)) + 1  # the filter's half-width in source pixels, and one for rounding
    first = max(math.floor(start) - reach, 0)
    last = min(math.ceil(stop) + reach, side)
    return slice(first, last), start - first, min(stop - first, last - first)


def _with_channels(image: NDArray[np.uint8], channels: Literal[1, 3]) -> NDArray[np.uint8]:
    """RGB to grey where grey is wanted; grey stays ``[H, W]`` and is repeated after scaling."""
    if image.ndim == 3 and channels == 1:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))
    return np.ascontiguousarray(image)
