"""The picture behind a row, for a person to look at: decoded under the usual limits and drawn anew as PNG."""

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from PIL import Image

from labels.images.errors import MissingImageError
from labels.images.opening import open_image_source
from labels.images.source import ImageSource
from models.errors import LookalikeError
from models.images import decode_image
from service.audits.folder import AuditFolder
from service.audits.steps.plan import Plan

_MOST_OPEN = 4
"""Image sources kept open: the index of a large archive takes seconds to read."""
_DRAWERS = 2
"""Threads that draw: an image of 25 megapixels takes 275 MB, and a thread's allocator keeps 64 MB for good."""


class PictureNotFoundError(LookalikeError):
    """There is no picture of this row."""


class Pictures:
    """Gives out pictures; ``close`` releases the files."""

    def __init__(self, *, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._open: OrderedDict[Path, ImageSource] = OrderedDict()
        self._lock = threading.Lock()
        self.drawers = ThreadPoolExecutor(_DRAWERS, thread_name_prefix="pictures")
        """The threads that pictures are to be asked for in: so many at once fit into memory."""

    def png(self, folder: AuditFolder, row: int, size: int | None) -> bytes:
        """Return the picture of a row, no side longer than ``size``.

        Raises ``PictureNotFoundError`` where there is none, ``ImageError`` where it can't be decoded.
        """
        plan = Plan.load(folder.path)
        images = folder.images
        if not 0 <= row < plan.rows:
            raise PictureNotFoundError(f"no row {row}: the rows of this audit are 0 to {plan.rows - 1}")
        chunk, place = divmod(row, plan.chunk_rows)
        name = plan.labels(folder.path, chunk)["image"][place]
        if images is None or not name:
            raise PictureNotFoundError(f"row {row} has no image")
        try:
            return self._drawn(images, name, size)
        except MissingImageError as error:
            raise PictureNotFoundError(f"row {row}: {error}") from error

    def forget(self, folder: AuditFolder) -> None:
        """Close the images of an audit that is going to be removed."""
        with self._lock:
            for path in [path for path in self._open if path.is_relative_to(folder.path)]:
                self._open.pop(path).close()

    def close(self) -> None:
        """Close all."""
        self.drawers.shutdown()
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _drawn(self, images: Path, name: str, size: int | None) -> bytes:
        with self._lock:
            data = self._source(images).read(name)
        picture = Image.fromarray(decode_image(data, max_pixels=self._max_pixels))
        if size is not None:
            picture.thumbnail((size, size))
        buffer = BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()

    def _source(self, images: Path) -> ImageSource:
        if images not in self._open:
            self._open[images] = open_image_source(images)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(images)
        return self._open[images]
