"""Giving memory back to the operating system."""

import ctypes
import gc


def give_back_memory() -> None:
    """Free what nothing refers to, and hand back what the C library (where it is glibc) keeps for later.

    A model that was let go stays in the process otherwise, to nine tenths, as room for the next one.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
