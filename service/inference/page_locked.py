"""Host memory that stays where it is, so that a GPU fetches from it by itself, at the full speed of the bus."""

import ctypes
import logging
import math
import weakref

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_log = logging.getLogger("lookalike.models")
_PORTABLE = 1
"""cudaHostAllocPortable: page-locked for every CUDA context."""


def page_locked(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Page-locked bytes; ordinary ones, with a warning, where CUDA has none to give: they work too, only slower."""
    size, address = math.prod(shape), ctypes.c_void_p()
    try:
        cuda = ctypes.CDLL(f"libcudart.so.{onnxruntime.cuda_version.partition('.')[0]}")  # the CUDA provider's own
        error = cuda.cudaHostAlloc(ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_uint(_PORTABLE))
    except OSError as missing:
        error = missing
    if error:
        _log.warning("no page-locked memory (CUDA error: %s): images take a detour on their way to the GPU", error)
        return np.zeros(shape, dtype=np.uint8)
    memory = (ctypes.c_uint8 * size).from_address(address.value or 0)
    weakref.finalize(memory, cuda.cudaFreeHost, address).atexit = False  # views of the array keep the memory alive
    return np.ctypeslib.as_array(memory).reshape(shape)
