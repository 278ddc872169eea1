"""What the first directory of a TIFF file says of its tiles and strips, read before a decoder acts on it.

A decoder reserves memory for a whole tile, however small the image, and an object for each strip, before anybody can
ask it for either. Of a tag that comes twice decoders take different ones, so such a file is damaged.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_TILE_WIDTH, _TILE_LENGTH = 322, 323
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324
_INTEGERS = {3: "H", 4: "I", 16: "Q"}
"""SHORT, LONG, and BigTIFF's LONG8, by their numbers in the file (TIFF 6.0, section 2)."""


class Layout(NamedTuple):
    """How the pixels are laid out."""

    tile: tuple[int, int]
    """Width and height; 0 x 0 where the image is in strips."""
    pieces: int
    """Tiles or strips."""


def read_layout(data: bytes) -> Layout:
    """Read a TIFF or BigTIFF file's; raises ``ValueError`` or ``struct.error`` where it is damaged."""
    counts: dict[int, int] = {}
    values: dict[int, int] = {}
    for tag, kind, count, value in _entries(data):
        if tag in counts:
            raise ValueError(f"tag {tag} comes twice")
        counts[tag] = count
        if tag in {_TILE_WIDTH, _TILE_LENGTH}:
            if kind not in _INTEGERS or count != 1:
                raise ValueError(f"tag {tag} is not an integer")
            values[tag] = struct.unpack_from(_order(data) + _INTEGERS[kind], value)[0]
    tile = values.get(_TILE_WIDTH, 0), values.get(_TILE_LENGTH, 0)
    return Layout(tile, max(counts.get(_STRIP_OFFSETS, 0), counts.get(_TILE_OFFSETS, 0)))


def _entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, kind, count, and the bytes of the value or of where it is."""
    order, big = _order(data), data[2:4] in {b"+\0", b"\0+"}
    start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    length, entry = (order + "Q", order + "HHQ8s") if big else (order + "H", order + "HHI4s")
    for i in range(struct.unpack_from(length, data, start)[0]):
        yield struct.unpack_from(entry, data, start + struct.calcsize(length) + i * struct.calcsize(entry))


def _order(data: bytes) -> str:
    return "<" if data.startswith(b"II") else ">"
