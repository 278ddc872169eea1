"""The one resize and crop rule."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from models.preprocessing import InputSpec, to_input

RNG = np.random.default_rng(7)


def spec(height: int, width: int, channels: int, resize: int) -> InputSpec:
    return InputSpec.model_validate({"height": height, "width": width, "channels": channels, "resize": resize})


@pytest.mark.parametrize(("shape", "channels"), [((28, 28), 1), ((32, 32, 3), 3)])
def test_fitting_pictures_are_untouched(shape: tuple[int, ...], channels: int) -> None:
    """A picture that has the right size already reaches the model bit for bit."""
    image = RNG.integers(0, 256, shape, dtype=np.uint8)
    out = to_input(image, spec(shape[0], shape[1], channels, shape[0]))
    assert out.flags.c_contiguous
    assert out.flags.writeable
    assert not np.shares_memory(out, image)
    np.testing.assert_array_equal(out, image.reshape(*shape[:2], channels))


def test_odd_margins_are_cropped_without_blur() -> None:
    """Where only a crop is needed, an odd margin leaves the extra pixel at the right and bottom, and blurs nothing."""
    image = RNG.integers(0, 256, (28, 33), dtype=np.uint8)
    np.testing.assert_array_equal(to_input(image, spec(27, 28, 1, 28))[:, :, 0], image[0:27, 2:30])


@pytest.mark.parametrize("shape", [(512, 768), (256, 512), (1024, 512), (100, 300)])
def test_same_as_resizing_whole_then_cropping(shape: tuple[int, int]) -> None:
    """The rule means what people mean by it: resize the shorter side, then crop the centre."""
    image = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    factor = 256 / min(shape)
    height, width = round(shape[0] * factor), round(shape[1] * factor)
    whole = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    top, left = (height - 224) // 2, (width - 224) // 2
    expected = whole[top : top + 224, left : left + 224].astype(int)
    assert np.abs(to_input(image, spec(224, 224, 3, 256)) - expected).max() <= 1


def test_colour_and_grey() -> None:
    """Grey is repeated for a colour model; colour becomes ITU-R 601-2 luma for a grey one."""
    grey = RNG.integers(0, 256, (28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(to_input(grey, spec(28, 28, 3, 28)), np.stack([grey] * 3, axis=-1))
    colour = RNG.integers(0, 256, (28, 28, 3), dtype=np.uint8)
    luma = np.asarray(Image.fromarray(colour).convert("L"))
    np.testing.assert_array_equal(to_input(colour, spec(28, 28, 1, 28))[:, :, 0], luma)
    assert to_input(grey, spec(20, 24, 3, 26)).shape == (20, 24, 3)


@pytest.mark.parametrize("shape", [(1, 20_000_000), (20_000_000, 1), (3, 8_000_000)])
def test_thin_pictures_are_cheap(shape: tuple[int, int]) -> None:
    """A picture one pixel thin and millions long costs next to nothing, and shows its middle."""
    image = np.zeros(shape, np.uint8)
    image[tuple(slice(side // 2 - 2, side // 2 + 2) if side > 3 else slice(None) for side in shape)] = 200
    started = time.perf_counter()
    out = to_input(image, spec(224, 224, 3, 256))
    assert time.perf_counter() - started < 1.0
    assert out.shape == (224, 224, 3)
    assert out[112, 112, 0] == 200


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 40),
    st.sampled_from([1, 3]),
    st.booleans(),
)
def test_any_size(size: tuple[int, int], window: tuple[int, int], extra: int, channels: int, colour: bool) -> None:
    """Any picture fits any model; a flat picture stays flat, so nothing from outside leaks in."""
    image = np.full((*size, 3) if colour else size, 137, np.uint8)
    out = to_input(image, spec(*window, channels, max(window) + extra))
    assert out.shape == (*window, channels)
    assert (out == 137).all()


@pytest.mark.parametrize("image", [np.zeros((0, 4), np.uint8), np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8)])
def test_wrong_arrays(image: np.ndarray) -> None:
    """An array that is not a picture is refused by name of its shape."""
    with pytest.raises(ValueError, match="expected uint8"):
        to_input(image, spec(4, 4, 1, 4))


@pytest.mark.parametrize(
    "change", [{"resize": 27}, {"channels": 2}, {"height": 0}, {"mean": 0.5}, {"width": 10**9, "resize": 10**9}]
)
def test_bad_specs(change: dict[str, float]) -> None:
    """A manifest can't ask for a window larger than the resized picture, nor for what doesn't exist."""
    with pytest.raises(ValidationError):
        InputSpec.model_validate({"height": 28, "width": 28, "channels": 1, "resize": 28} | change)
