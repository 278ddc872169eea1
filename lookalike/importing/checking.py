"""Whether the wrapped graph computes what the original does."""

from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lookalike.importing.errors import ModelImportError
from lookalike.importing.original import Original
from lookalike.importing.wrapping import IMAGES, Output
from models.distribution import softmax
from models.preprocessing import InputSpec

TOLERANCE = {"float32": 1e-3, "uint8": 1e-3, "float16": 2e-2}
"""Largest difference, as a share of the largest value, that is put down to rounding; by the type of the input."""


def check_pictures(spec: InputSpec, real: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What to compare on: noise, black, white, a slope of grey, and real pictures ``[n, H, W, C]`` where given."""
    shape = (spec.height, spec.width, spec.channels)
    noise = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    slope = np.linspace(0, 255, spec.height).astype(np.uint8)[:, None, None]
    flat = [np.broadcast_to(np.uint8(value), shape) for value in (0, 255)]
    return np.concatenate([noise, np.stack([*flat, np.broadcast_to(slope, shape)]), real])


def check_wrapped(
    session: onnxruntime.InferenceSession,
    original: Original,
    pictures: NDArray[np.uint8],
    outputs: Mapping[str, Output],
    *,
    tolerance: float,
    probabilities: str | None = None,
) -> None:
    """Compare every output on the pictures, alone and in batches; raises ``ModelImportError`` where they differ.

    ``probabilities`` is the original's softmax, where that was left out.
    """
    tensors = [each.tensor for each in outputs.values()]
    if probabilities is not None:
        tensors.append(probabilities)
    expected = original.run(pictures, tensors)
    for size in (1, 3, len(pictures)):
        try:
            found = session.run(list(outputs), {IMAGES: pictures[:size]})
        except Exception as error:  # ONNX Runtime's many ways to fail
            raise ModelImportError(
                f"the model does not take {size} images at once: export it with a dynamic number of images "
                f"({str(error)[:200]})"
            ) from error
        for (name, output), got, whole in zip(outputs.items(), found, expected, strict=False):
            want = whole[:size] if output.rank == 2 else whole[:size].mean(axis=tuple(range(2, output.rank)))
            _compare(name, got, want, size, tolerance)
        if probabilities is not None:
            want = expected[-1][:size].reshape(size, -1)
            # a log-softmax has no positive value
            _compare("softmax", softmax(found[0]), np.exp(want) if want.max() <= 0 else want, size, tolerance)


def _compare(name: str, got: NDArray[np.floating], want: NDArray[np.floating], size: int, tolerance: float) -> None:
    if not np.isfinite(got).all():
        raise ModelImportError(f"{name}: the model gives numbers that are not finite; is its normalisation right?")
    if got.shape != want.shape:
        raise ModelImportError(
            f"{name} has the shape {got.shape} for {size} images: export the model with a dynamic number of images"
        )
    worst, largest = float(np.abs(got - want).max()), float(np.abs(want).max())
    if not worst <= tolerance * max(largest, 1.0):
        raise ModelImportError(
            f"{name} of the wrapped and of the original model differ by {worst:g} (of {largest:g}) for {size} images: "
            "the model gives an image another answer in other company, or at random; export it for inference, with a "
            "dynamic number of images"
        )
