"""Decoding untrusted bytes: every way a picture can be odd, and every way it can be refused."""

import random
import re
import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models.images import ImageError, decode_image, is_tiny

GREY = (np.indices((40, 56)).sum(0) * 3 % 256).astype(np.uint8)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


def encode(image: Image.Image | NDArray[np.generic], file_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"", *, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def refusal(data: bytes, **options: int) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_image(data, **options)
    assert caught.value.detail == str(caught.value)
    return caught.value


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "BMP", "TIFF"])
def test_lossless_colour(file_format: str) -> None:
    """Every lossless format gives back the very pixels that were saved."""
    data = encode(RGB, file_format, **({"lossless": True} if file_format == "WEBP" else {}))
    np.testing.assert_array_equal(decode_image(data), RGB)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "GIF"])
def test_grey_stays_grey(file_format: str) -> None:
    """A grey file comes back as one plane, not as three equal ones."""
    decoded = decode_image(encode(GREY, file_format))
    if file_format == "GIF":  # a GIF always has a palette
        decoded = decoded[:, :, 0] if decoded.ndim == 3 else decoded
    np.testing.assert_array_equal(decoded, GREY)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
def test_jpeg_like_pillow(options: dict[str, object]) -> None:
    """The fast JPEG path gives the same pixels as the reference decoder, in colour and in grey."""
    for pixels in (RGB, GREY):
        data = encode(pixels, "JPEG", **options)
        np.testing.assert_array_equal(decode_image(data), np.asarray(Image.open(BytesIO(data))))


def test_cmyk_jpeg() -> None:
    """A CMYK JPEG looks as it does in an image viewer, not inverted."""
    flat = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    decoded = decode_image(encode(Image.fromarray(flat).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(decoded.astype(int) - flat).max() <= 4


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(file_format: str) -> None:
    """16-bit grey is scaled to 8 bits instead of being clipped to white."""
    wide = np.linspace(0, 65535, 40 * 56).reshape(40, 56).astype(np.uint16)
    np.testing.assert_array_equal(decode_image(encode(wide, file_format)), (wide >> 8).astype(np.uint8))


def test_16_bit_big_endian_tiff() -> None:
    """A big-endian 16-bit TIFF reads like a little-endian one."""
    wide = (np.arange(48, dtype=np.uint16) * 1300).reshape(6, 8)
    tags = [(256, 3, 8), (257, 3, 6), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 6), (279, 4, 96)]
    directory = struct.pack(">H", len(tags))
    for tag, kind, value in tags:
        directory += struct.pack(">HHI", tag, kind, 1) + struct.pack(
            ">HH" if kind == 3 else ">I", *((value, 0) if kind == 3 else (value,))
        )
    data = b"MM\0*" + struct.pack(">I", 104) + wide.astype(">u2").tobytes() + directory + bytes(4)
    np.testing.assert_array_equal(decode_image(data), (wide >> 8).astype(np.uint8))


def test_16_bit_grey_transparency() -> None:
    """The transparent value of a 16-bit grey PNG becomes white."""
    rows = b"".join(b"\0" + b"\x12\x34\x40\x00" for _ in range(3))
    decoded = decode_image(png(2, 3, 16, 0, rows, extra=chunk(b"tRNS", b"\x12\x34")))
    np.testing.assert_array_equal(decoded, np.array([[255, 64]] * 3, np.uint8))


def test_float_and_lab_tiff_are_unsupported() -> None:
    """Pixels without a fixed range, and colour spaces that need a profile, are refused by a code of their own."""
    assert refusal(encode(np.ones((4, 4), np.float32), "TIFF")).code == "unsupported_image"
    assert refusal(encode(np.ones((4, 4), np.int32), "TIFF")).code == "unsupported_image"
    assert refusal(encode(Image.new("LAB", (4, 4)), "TIFF")).code == "unsupported_image"


def test_alpha_lies_on_white() -> None:
    """Transparent pixels are white and half-transparent ones are mixed with white, in colour and in grey."""
    rgba = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [0, 0, 0, 128]]], np.uint8)
    expected = np.array([[[255, 255, 255], [10, 20, 30], [127, 127, 127]]], np.uint8)
    np.testing.assert_array_equal(decode_image(encode(rgba, "PNG")), expected)
    np.testing.assert_array_equal(decode_image(encode(rgba, "WEBP", lossless=True, exact=True)), expected)
    grey_alpha = Image.fromarray(np.array([[[10, 0], [10, 255], [0, 128]]], np.uint8), "LA")
    np.testing.assert_array_equal(decode_image(encode(grey_alpha, "PNG")), np.array([[255, 10, 127]], np.uint8))


def test_palette_with_transparency() -> None:
    """A palette's transparent entry is white, not the colour that it hides; with one alpha for all entries too."""
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.putpixel((1, 0), 1)
    expected = np.array([[[255, 255, 255], [200, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(decode_image(encode(palette, "PNG", transparency=0)), expected)
    np.testing.assert_array_equal(decode_image(encode(palette, "PNG", transparency=b"\0\xff")), expected)
    np.testing.assert_array_equal(decode_image(encode(palette, "GIF", transparency=0)), expected)


def test_transparent_colour_of_rgb_png() -> None:
    """A PNG that declares one RGB colour transparent shows it white."""
    data = encode(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), "PNG", transparency=(1, 2, 3))
    np.testing.assert_array_equal(decode_image(data), np.array([[[255, 255, 255], [4, 5, 6]]], np.uint8))


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame(file_format: str) -> None:
    """Of an animation or a stack of pages the first one is taken."""
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    lossless = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:], **lossless)
    np.testing.assert_array_equal(decode_image(data), np.full((6, 8, 3), (255, 0, 0), np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["rgb", "grey"])
def test_exif_orientation(orientation: int, file_format: str, pixels: NDArray[np.uint8]) -> None:
    """A photo taken with the camera turned stands upright, for all eight orientations and every format with EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(pixels, file_format, exif=exif, **({"lossless": True} if file_format == "WEBP" else {}))
    with Image.open(BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    expected = np.asarray(upright)
    decoded = decode_image(data)
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, expected)


def test_cmyk_jpeg_orientation() -> None:
    """Orientation is applied once, also where a JPEG takes the slow path."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(encode(Image.fromarray(RGB).convert("CMYK"), "JPEG", exif=exif)).shape == (56, 40, 3)


def test_broken_exif_costs_nothing() -> None:
    """A photo with broken metadata is still read."""
    data = encode(RGB, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 30)
    assert decode_image(data).shape == RGB.shape


def test_stray_bytes_in_jpeg() -> None:
    """A JPEG with stray bytes before its end, as some cameras write it, is read."""
    data = encode(RGB, "JPEG")
    assert decode_image(data[:-2] + b"\x12\x34\x56" + data[-2:] + b"trailing").shape == RGB.shape


def test_empty() -> None:
    """Zero bytes have a code of their own."""
    assert refusal(b"").code == "empty_image"


@pytest.mark.parametrize("data", [b"hello", b"<svg></svg>", b"BM is how this text begins, and it goes on", b"\0" * 100])
def test_not_an_image(data: bytes) -> None:
    """Other bytes are refused with a list of what would be accepted."""
    error = refusal(data)
    assert error.code == "not_an_image"
    assert "PNG" in error.detail


@pytest.mark.parametrize("data", [b"\0\0\0\x18ftypheic\0\0\0\0", b"%PDF-1.7", b"\0\0\0\x1cftypavif\0\0\0\0"])
def test_known_but_unsupported_format(data: bytes) -> None:
    """A phone's HEIC photo is told to be converted instead of being called no image."""
    assert refusal(data).code == "unsupported_image"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["rgb", "grey"])
def test_truncated(file_format: str, pixels: NDArray[np.uint8]) -> None:
    """A file cut short anywhere behind its first bytes is refused as such, never half-decoded."""
    data = encode(pixels, file_format)
    tail = 3 if file_format == "GIF" else 0  # a GIF's trailer holds no pixels
    for length in [26, len(data) // 3, len(data) // 2, len(data) * 9 // 10, len(data) - 1 - tail]:
        assert refusal(data[:length]).code == "truncated_image", length


def test_truncated_progressive_jpeg() -> None:
    """A progressive JPEG that lacks its last scans is refused, though it would show a blurred picture."""
    data = encode(RGB, "JPEG", progressive=True)
    assert refusal(data[: len(data) * 2 // 3]).code == "truncated_image"


def test_huge_header_is_cheap() -> None:
    """A tiny file that claims 100 megapixels is refused from its header, without memory or time for the pixels."""
    claims = [png(10_000, 10_000, 8, 2), png(2**31 - 1, 2**31 - 1, 16, 6), png(20_000, 10_000, 1, 0)]
    jpeg = bytearray(encode(RGB, "JPEG"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 10_000, 10_000)
    gif = b"GIF89a" + struct.pack("<HH", 10_000, 10_000) + encode(GREY, "GIF")[10:]
    tracemalloc.start()
    started = time.perf_counter()
    for data in [*claims, bytes(jpeg), gif]:
        error = refusal(data)
        assert error.code == "image_too_large"
        assert "25000000" in error.detail
    assert time.perf_counter() - started < 1.0
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def tiff(tags: dict[int, int] | list[tuple[int, int]], data: bytes = b"", *, offsets: int = 1) -> bytes:
    """A grey little-endian TIFF of LONG tags, deflated, whose pixels are ``data``; 324 has ``offsets`` values."""
    entries = [(258, 8), (259, 8), (262, 1), (277, 1), *(tags.items() if isinstance(tags, dict) else tags)]
    entries += [(324, 0), (325, len(data))]
    start = 8 + 2 + 12 * len(entries) + 4
    directory = b"".join(
        struct.pack("<HHII", tag, 4, offsets if tag == 324 else 1, start if tag == 324 else value)
        for tag, value in sorted(entries, key=lambda entry: entry[0])
    )
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + data


TILE = zlib.compress(bytes(range(256)) * 4)
TILED = {256: 20, 257: 10, 322: 32, 323: 32}


def peak_megabytes(data: bytes, max_pixels: int) -> float:
    """How much memory decoding takes at its height, C's included."""

    def status(key: str) -> float:
        (kilobytes,) = re.findall(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())
        return int(kilobytes) / 1000

    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = status("VmRSS")
    with suppress(ImageError):
        decode_image(data, max_pixels=max_pixels)
    return status("VmHWM") - before


def test_tiles_of_a_tiff() -> None:
    """A TIFF in tiles is read, though its last ones reach beyond the image."""
    expected = np.arange(1024).reshape(32, 32).astype(np.uint8)[:10, :20]
    np.testing.assert_array_equal(decode_image(tiff(TILED, TILE)), expected)
    wide = np.arange(96 * 80, dtype=np.uint8).reshape(80, 96)
    data = encode(wide, "TIFF", compression="tiff_lzw", tiffinfo={322: 32, 323: 32}, big_tiff=True)
    np.testing.assert_array_equal(decode_image(data), wide)


def test_huge_tiles_are_cheap() -> None:
    """A TIFF of few pixels in tiles of many is refused before memory is reserved for one, however it is put."""
    side = 8192
    packer = zlib.compressobj(9)
    tile = b"".join(packer.compress(bytes(side)) for _ in range(side)) + packer.flush()
    size = {256: 16, 257: 16}
    huge = tiff(size | {322: side, 323: side}, tile)
    assert refusal(huge).code == "image_too_large"
    assert peak_megabytes(huge, 25_000_000) < 10
    assert refusal(tiff(size | {322: 16, 323: side}, tile), max_pixels=1000).code == "image_too_large"
    twice = tiff([*size.items(), (322, side), (322, 16), (323, side), (323, 16)], tile)
    assert refusal(twice).code == "truncated_image"


def test_too_many_strips_are_refused() -> None:
    """A TIFF that lists millions of tiles is refused before there is an object for each one."""
    data = tiff({256: 5000, 257: 5000, 322: 1, 323: 1}, bytes(4_000_000), offsets=1_000_000)
    assert refusal(data).code == "unsupported_image"
    assert peak_megabytes(data, 25_000_000) < 10


def test_pixel_limit_is_the_callers() -> None:
    """The limit counts pixels, and an image of exactly that many passes."""
    data = encode(RGB, "PNG")
    assert decode_image(data, max_pixels=40 * 56).shape == RGB.shape
    assert refusal(data, max_pixels=40 * 56 - 1).code == "image_too_large"


def test_many_scans_are_refused() -> None:
    """A JPEG made of thousands of scans can't keep a core busy."""
    data = encode(RGB, "JPEG", progressive=True)
    assert refusal(data[:-2] + b"\xff\xda" * 1000 + data[-2:]).code == "unsupported_image"


def test_warnings_are_kept_inside() -> None:
    """A PNG with an invalid animation header decodes, silently, from several threads, and warnings work afterwards."""
    data = png(2, 1, 8, 0, b"\0\x01\x02", extra=chunk(b"acTL", bytes(8)))
    results: list[NDArray[np.uint8]] = []
    threads = [threading.Thread(target=lambda: results.extend(decode_image(data) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.tolist() for result in results] == [[[1, 2]]] * 80
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn_explicit("still heard", UserWarning, "PngImagePlugin.py", 1, module="PIL.PngImagePlugin")


REAL_FILES = [
    encode(RGB, "JPEG"),
    encode(
        RGB, "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    ),
    encode(GREY, "PNG"),
    encode(Image.fromarray(RGB).quantize(16), "PNG", transparency=3),
    encode(RGB, "WEBP"),
    encode(Image.fromarray(RGB).convert("RGBA"), "WEBP", lossless=True),
    encode(RGB, "GIF"),
    encode(RGB, "BMP"),
    encode(RGB, "TIFF", compression="tiff_lzw"),
    encode(GREY, "TIFF"),
    encode(RGB, "TIFF", compression="jpeg"),
    tiff(TILED, TILE),
]


def damage(data: bytes, rng: random.Random, changes: int, *, cut: bool) -> bytes:
    damaged = bytearray(data)
    for _ in range(changes):
        place = rng.randrange(min(len(damaged), rng.choice([40, 200, len(damaged)])))
        damaged[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    if cut:
        start = rng.randrange(len(damaged))
        del damaged[start : start + rng.randrange(1, 40)]
    return bytes(damaged)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(REAL_FILES), st.randoms(use_true_random=False), st.integers(1, 12), st.booleans())
def test_mutated_files(data: bytes, rng: random.Random, changes: int, cut: bool) -> None:
    """However a file is damaged, it decodes to pixels or is refused by an ImageError: nothing else comes out."""
    try:
        decoded = decode_image(damage(data, rng, changes, cut=cut), max_pixels=1_000_000)
    except ImageError:
        return
    assert decoded.dtype == np.uint8
    assert decoded.ndim == 2 or decoded.shape[2] == 3
    assert decoded.size <= 3_000_000


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(REAL_FILES), st.randoms(use_true_random=False), st.integers(1, 6))
def test_memory_is_bounded(data: bytes, rng: random.Random, changes: int) -> None:
    """However a small file is damaged, decoding takes no more memory than an honest image at the pixel limit does."""
    assert peak_megabytes(damage(data, rng, changes, cut=False), 1_000_000) < 40


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("side", "tiny"), [(28, True), (128, True), (129, False), (3000, False)])
def test_tiny_is_told_by_the_header(kind: str, side: int, *, tiny: bool) -> None:
    """A file of few bytes is tiny only if its header promises few pixels: a small file can hold a large image."""
    buffer = BytesIO()
    Image.new("1" if side > 200 and kind == "PNG" else "L", (side, side)).save(buffer, kind)
    data = buffer.getvalue()
    assert is_tiny(data) == (tiny and len(data) <= 4096)
    assert not is_tiny(data[:20])
    assert not is_tiny(data + b"\0" * 5000)


def test_what_is_no_png_or_jpeg_is_not_tiny() -> None:
    """Other formats, and what is no image, are left to the threads that decode."""
    buffer = BytesIO()
    Image.new("L", (8, 8)).save(buffer, "GIF")
    assert not is_tiny(buffer.getvalue())
    assert not is_tiny(b"")


def test_a_second_header_is_not_tiny() -> None:
    """A file with two headers is not called tiny by the smaller one: of a PNG's headers the decoder takes the last."""
    large = png(5000, 5000, 1, 0, bytes(626) * 5000)
    small = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 1, 0, 0, 0, 0))
    two = large[:8] + small + large[8:]
    assert len(two) <= 4096
    assert decode_image(two).shape == (5000, 5000)
    assert not is_tiny(two)
    jpeg = encode(GREY, "JPEG")
    start = jpeg.index(b"\xff\xc0")
    header = jpeg[start : start + 13]
    huge = header[:5] + struct.pack(">HH", 5000, 5000) + header[9:]
    for first, second in ((header, huge), (huge, header)):
        two = jpeg[:start] + first + second + jpeg[start + 13 :]
        assert not is_tiny(two)
        assert refusal(two).code == "truncated_image"
