"""Which images a model was trained on, as hashes: an audit by the model itself must not judge those."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_DTYPE = np.dtype("<u8")


def pixel_hash(image: NDArray[np.uint8]) -> int:
    """First 64 bits of the sha256 of a model input ``[H, W, C]``: its shape as three little-endian u32, its bytes."""
    digest = hashlib.sha256(np.array(image.shape, dtype="<u4").tobytes())
    digest.update(np.ascontiguousarray(image).data)
    return int.from_bytes(digest.digest()[:8], "little")


def save_hashes(path: Path, images: Iterable[NDArray[np.uint8]]) -> None:
    """Write the sorted hashes of images as little-endian u64."""
    np.unique(np.fromiter(map(pixel_hash, images), dtype=_DTYPE)).tofile(path)


def load_hashes(path: Path) -> NDArray[np.uint64]:
    """Read what ``save_hashes`` wrote: ``[n]``, sorted."""
    return np.fromfile(path, dtype=_DTYPE)


def were_trained_on(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each hash is among the known ones: ``[N]`` and sorted ``[n]`` to ``[N]`` bool."""
    found: NDArray[np.bool_] = np.searchsorted(known, hashes, "left") < np.searchsorted(known, hashes, "right")
    return found
