"""The images of a request: from a tensor as it came to what the scorer takes."""

from base64 import b64decode
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.preprocessing import InputSpec
from service.http.bodies import BodyError
from service.oip.byte_strings import unpack
from service.oip.framing import JSON_LENGTH
from service.oip.messages import InferInput


def read_images(
    given: list[InferInput], binary: memoryview, spec: InputSpec, *, most: int
) -> NDArray[np.uint8] | list[bytes]:
    """Pixels ``[N, H, W, C]`` of the input `images`, views of the body; or the N files of the input `image`.

    Raises ``BodyError`` unless there is one input of the right type, of 1 to ``most`` images, and with as much data as
    its shape says. Nothing is allocated by what a shape claims.
    """
    if len(given) != 1:
        raise BodyError(f"inputs: send one, `images` or `image`, not {len(given)}")
    (tensor,) = given
    return _pixels(tensor, binary, spec, most) if tensor.name == "images" else _files(tensor, binary, most)


def _pixels(tensor: InferInput, binary: memoryview, spec: InputSpec, most: int) -> NDArray[np.uint8]:
    size = [spec.height, spec.width, spec.channels]
    if tensor.datatype != "UINT8" or tensor.shape[1:] != size:
        raise BodyError(
            f"images: this model takes UINT8 [N, {size[0]}, {size[1]}, {size[2]}], not {_described(tensor)}; it scales "
            "encoded files itself: send those as `image`, BYTES [N]"
        )
    expected = _count(tensor, most) * spec.height * spec.width * spec.channels
    content = _content(tensor, binary)
    pixels = content if isinstance(content, memoryview) else _flat(content, tensor.shape)
    if len(pixels) != expected:
        raise BodyError(f"images: {tensor.shape} has {expected:,} elements, the data {len(pixels):,}")
    if isinstance(pixels, list):
        try:
            pixels = memoryview(bytes(pixels))
        except (TypeError, ValueError) as error:
            raise BodyError("images: data must be whole numbers from 0 to 255") from error
    return np.frombuffer(pixels, dtype=np.uint8).reshape(tensor.shape)


def _files(tensor: InferInput, binary: memoryview, most: int) -> list[bytes]:
    if tensor.datatype != "BYTES" or len(tensor.shape) != 1:
        raise BodyError(f"image: it takes BYTES [N], N encoded image files, not {_described(tensor)}")
    count = _count(tensor, most)
    content = _content(tensor, binary)
    if isinstance(content, memoryview):
        return unpack(content, count)
    if len(content) != count:
        raise BodyError(f"image: {tensor.shape} has {count:,} elements, the data {len(content):,}")
    return [_decoded(text, index) for index, text in enumerate(content)]


def _count(tensor: InferInput, most: int) -> int:
    """How many images there are."""
    if not 1 <= tensor.shape[0] <= most:
        raise BodyError(f"{tensor.name}: send 1 to {most} images at a time, not {tensor.shape[0]}")
    return tensor.shape[0]


def _content(tensor: InferInput, binary: memoryview) -> memoryview | list[Any]:
    """The data of the only input: from the JSON, or all that follows it."""
    name, size = tensor.name, tensor.parameters.get("binary_data_size")
    if "shared_memory_region" in tensor.parameters:
        raise BodyError(f"{name}: shared memory is not supported; send the data")
    if tensor.data is not None:
        if size is not None or binary:
            raise BodyError(f"{name}: send its data in the JSON or behind it, not both")
        return tensor.data
    if size is None:
        raise BodyError(f"{name}: send its data, or as binary data with the parameter binary_data_size")
    if size != len(binary):
        raise BodyError(
            f"{name}: binary_data_size is {_short(size)}, but by {JSON_LENGTH} {len(binary):,} bytes follow the JSON"
        )
    return binary


def _flat(data: list[Any], shape: list[int]) -> list[Any]:
    """Row-major elements of data that are nested as the shape says, or flat already."""
    if not data or not isinstance(data[0], list):
        return data
    level: list[Any] = [data]
    for size in shape:
        if not all(isinstance(each, list) and len(each) == size for each in level):
            raise BodyError("images: data are nested otherwise than the shape says")
        level = list(chain.from_iterable(level))
    return level


def _decoded(text: Any, index: int) -> bytes:
    """An element of a BYTES tensor in JSON: a file is no text, so it is written as base64."""
    try:
        return b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise BodyError(f"image: element {index} must be base64 (RFC 4648), without line breaks: {error}") from error


def _described(tensor: InferInput) -> str:
    return f"{tensor.datatype} {_short(tensor.shape)}"


def _short(value: object) -> str:
    """What came from outside may be long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
