"""BYTES tensors as binary data: each element with its length before it, in four little-endian bytes."""

import struct
from collections.abc import Iterable

from service.http.bodies import BodyError

_LENGTH = struct.Struct("<I")


def pack(elements: Iterable[bytes]) -> bytes:
    """Write elements one after the other."""
    return b"".join(part for element in elements for part in (_LENGTH.pack(len(element)), element))


def unpack(content: memoryview, count: int) -> list[bytes]:
    """Read so many elements; raises ``BodyError`` unless they are all there, and nothing else."""
    elements, start = [], 0
    for index in range(count):
        if start + _LENGTH.size > len(content):
            raise BodyError(f"binary data: they end before element {index}")
        (length,) = _LENGTH.unpack_from(content, start)
        start += _LENGTH.size
        if start + length > len(content):
            raise BodyError(
                f"binary data: element {index} says {length:,} bytes, and {len(content) - start:,} are left"
            )
        elements.append(bytes(content[start : start + length]))
        start += length
    if start != len(content):
        raise BodyError(f"binary data: {len(content) - start:,} bytes follow the last of {count} elements")
    return elements
