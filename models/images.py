"""From the bytes of an untrusted image file to its pixels.

Accepted are JPEG, PNG, WebP, GIF, BMP and TIFF. The dimensions are read from the header and checked before any pixel
is decoded; whatever goes wrong is an ``ImageError`` with a stable code. JPEG goes through simplejpeg (several times
faster on small images, same pixels), the rest and unusual JPEGs through Pillow.
"""

import re
import struct
import threading
import warnings
from io import BytesIO
from types import TracebackType
from typing import Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from models.errors import LookalikeError
from models.tiff_directory import read_layout

DEFAULT_MAX_PIXELS = 25_000_000
ACCEPTED_FORMATS = "JPEG, PNG, WebP, GIF, BMP or TIFF"
MAX_JPEG_SCANS = 200  # an honest progressive JPEG has about ten; thousands would keep a core busy for minutes
MAX_TIFF_PIECES = 65_536  # Pillow makes an object of each strip or tile

_TINY_BYTES = 4096  # what is packed in so little, a metadata text say, unpacks to a few MB at most
_TINY_PIXELS = 128 * 128

ImageErrorCode = Literal["empty_image", "not_an_image", "truncated_image", "image_too_large", "unsupported_image"]
_Format = Literal["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"]

# The plug-ins are called by name, not through Image.open: nothing but these six parsers ever sees the bytes.
_PLUGINS: dict[_Format, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_PNG_END = b"IEND\xaeB`\x82"
_OTHER_FORMATS = re.compile(
    rb"(?s)....ftyp(?:heic|heix|hevc|mif1|msf1|avif|avis)|\0\0\0\x0c(?:jP  |JXL )\r\n\x87\n|\xff\x0a|8BPS|%PDF-"
)


class ImageError(LookalikeError, ValueError):
    """An image that can't be read: ``code`` is stable, ``detail`` says what is wrong and what to do about it."""

    def __init__(self, code: ImageErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code: ImageErrorCode = code
        self.detail = detail


def decode_image(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image file to ``[H, W, 3]`` RGB, or ``[H, W]`` where the file is grey; uint8, 0..255.

    EXIF orientation is applied. Transparency is laid on white, of an animation the first frame is taken, 16-bit
    values keep their high byte. Raises ``ImageError``, and nothing else, for any bytes.
    """
    if not data:
        raise ImageError("empty_image", "The image is empty (0 bytes): send the contents of an image file.")
    file_format = _sniff(data)
    try:
        if file_format == "JPEG":
            return _decode_jpeg(data, max_pixels)
        return _decode_with_pillow(data, file_format, max_pixels)
    except ImageError:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageError("image_too_large", "The image needs too much memory: send a smaller one.") from error
    except Exception as error:  # decoders fail on hostile bytes in ways that they don't document
        raise _damaged(file_format) from error


def is_tiny(data: bytes) -> bool:
    """Whether decoding is sure to take no longer than handing it to another thread would: by size and header."""
    if len(data) > _TINY_BYTES:
        return False
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        if data.count(b"IHDR") > 1:  # of several headers the decoder takes the last one
            return False
        width, height = struct.unpack_from(">II", data, 16)
        return bool(width * height <= _TINY_PIXELS)
    if data.startswith(b"\xff\xd8\xff"):
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        except ValueError:
            return False
        return bool(width * height <= _TINY_PIXELS)
    return False


def _sniff(data: bytes) -> _Format:
    """Tell the format by the first bytes; raises ``ImageError`` for anything that is not accepted."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM") and len(data) >= 18 and struct.unpack_from("<I", data, 14)[0] in _BMP_HEADER_SIZES:
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if _OTHER_FORMATS.match(data):
        raise ImageError("unsupported_image", f"This image format is not supported: convert it to {ACCEPTED_FORMATS}.")
    raise ImageError("not_an_image", f"The bytes are not an image that can be read: send {ACCEPTED_FORMATS}.")


def _damaged(file_format: _Format) -> ImageError:
    return ImageError(
        "truncated_image", f"The {file_format} file is cut short or damaged: check that it opens, and send it whole."
    )


def _check_dimensions(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise ImageError("not_an_image", "The image has no pixels: send one that is at least 1 x 1.")
    if width * height > max_pixels:
        raise ImageError(
            "image_too_large",
            f"The image has {width} x {height} pixels; at most {max_pixels} pixels are accepted: make it smaller.",
        )


def _decode_jpeg(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # cut short within the header, or an odd subsampling, which Pillow can read
        return _decode_with_pillow(data, "JPEG", max_pixels)
    _check_dimensions(width, height, max_pixels)
    _check_scans(data)
    if colours not in {"Gray", "YCbCr", "RGB"}:  # CMYK and YCCK: Pillow knows Adobe's inversion
        return _decode_with_pillow(data, "JPEG", max_pixels)
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "GRAY" if colours == "Gray" else "RGB", strict=True)
    except ValueError as error:
        if "Premature end of JPEG file" in str(error):
            raise _damaged("JPEG") from error
        # Strict mode also refuses what cameras get wrong, such as stray bytes before a marker. Pillow tells them apart.
        return _decode_with_pillow(data, "JPEG", max_pixels)
    return _oriented(pixels[:, :, 0] if colours == "Gray" else pixels, _jpeg_orientation(data))


def _check_scans(data: bytes) -> None:
    if data.count(b"\xff\xda") > MAX_JPEG_SCANS:  # within compressed data 0xff is always followed by 0
        raise ImageError("unsupported_image", "The JPEG file has too many scans: save it again as a baseline JPEG.")


def _jpeg_orientation(data: bytes) -> int:
    """Read the orientation, 1..8, parsing the header a second time only where it may hold one."""
    if b"Exif\0" not in data and b"tiff:Orientation" not in data:
        return 1
    with _PILLOW_WARNINGS_OFF:
        try:
            image = JpegImagePlugin.JpegImageFile(BytesIO(data))
        except Exception:  # noqa: BLE001 - the pixels are fine: odd metadata don't cost the picture
            return 1
        return _orientation(image)


def _decode_with_pillow(data: bytes, file_format: _Format, max_pixels: int) -> NDArray[np.uint8]:
    if file_format == "PNG" and _PNG_END not in data:  # Pillow doesn't miss the end of a file
        raise _damaged("PNG")
    if file_format == "TIFF":
        _check_tiff(data, max_pixels)
    with _PILLOW_WARNINGS_OFF:
        image = _PLUGINS[file_format](BytesIO(data))  # reads the header only
        _check_dimensions(*image.size, max_pixels)
        if file_format == "JPEG":
            _check_scans(data)
        image.load()
        # A loaded TIFF is already turned, and says so. PNG may keep its EXIF behind the pixels: hence after load.
        return _oriented(_to_grey_or_rgb(image), _orientation(image))


def _check_tiff(data: bytes, max_pixels: int) -> None:
    layout = read_layout(data)
    if layout.tile[0] * layout.tile[1] > max_pixels:  # a whole tile is decoded, though the image may be a corner of it
        width, height = layout.tile
        raise ImageError(
            "image_too_large", f"The TIFF file has tiles of {width} x {height} pixels: save it again with smaller ones."
        )
    if layout.pieces > MAX_TIFF_PIECES:
        raise ImageError("unsupported_image", "The TIFF file has too many strips or tiles: save it again with fewer.")


def _to_grey_or_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Bring any of Pillow's modes to ``[H, W]`` or ``[H, W, 3]``, transparency on white."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = (values >> 8).astype(np.uint8)
        if isinstance(image.info.get("transparency"), int):
            grey[values == image.info["transparency"]] = 255
        return grey
    grey_file = image.mode in {"1", "L", "LA"}
    if not grey_file and image.mode not in {"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}:
        raise ImageError(
            "unsupported_image",
            f"Pixels of kind {image.mode!r} are not supported: save the image as 8-bit grey or RGB.",
        )
    opaque_mode = "L" if grey_file else "RGB"
    if not image.has_transparency_data:
        return np.array(image if image.mode == opaque_mode else image.convert(opaque_mode))
    layered = image.convert("LA" if grey_file else "RGBA")
    white = Image.new(opaque_mode, image.size, "white")
    white.paste(layered.convert(opaque_mode), mask=layered.getchannel("A"))
    return np.array(white)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - odd metadata don't cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _oriented(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror by the EXIF orientation: 5 to 8 lie on their side, 2, 4, 5 and 7 are mirrored."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


class _PillowWarningsOff:
    """While any thread is inside, Pillow's warnings about odd metadata are dropped.

    ``warnings.catch_warnings`` belongs to the process: two threads that each enter and leave it restore each other's
    filters. So the first one in saves them and the last one out restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(kind, error, trace)


_PILLOW_WARNINGS_OFF = _PillowWarningsOff()
