"""Page-locked memory: given back to CUDA when nobody uses it any more, and done without where CUDA has none."""

import ctypes
import gc
import logging
from typing import Any

import numpy as np
import pytest

from service.inference.page_locked import page_locked


class Cuda:
    """The two functions of CUDA's runtime, over ordinary memory."""

    def __init__(self) -> None:
        self.kept: dict[int, Any] = {}
        self.freed: list[int] = []

    def cudaHostAlloc(self, address: Any, size: Any, _: Any) -> int:  # noqa: N802 - CUDA's name
        memory = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(memory)
        self.kept[address._obj.value] = memory
        return 0

    def cudaFreeHost(self, address: Any) -> None:  # noqa: N802 - CUDA's name
        self.freed.append(address.value)


def test_memory_lives_as_long_as_a_view_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is CUDA's own, can be written, and is freed once: when the last view of it is gone."""
    cuda = Cuda()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: cuda)
    array = page_locked((2, 3, 4))
    array[:] = 7
    (address,) = cuda.kept
    assert array.ctypes.data == address
    assert cuda.kept[address].raw == bytes([7] * 24)
    view = array[1, 1:]
    del array
    gc.collect()
    assert cuda.freed == []
    assert view.sum() == 7 * 8
    del view
    gc.collect()
    assert cuda.freed == [address]


def test_without_cuda_ordinary_memory_does(caplog: pytest.LogCaptureFixture) -> None:
    """Where CUDA is missing, zeros in ordinary memory come back, and the log says what that costs."""
    with caplog.at_level(logging.WARNING):
        array = page_locked((2, 3))
    np.testing.assert_array_equal(array, np.zeros((2, 3), dtype=np.uint8))
    assert "no page-locked memory" in caplog.text
    assert "libcudart" in caplog.text


def test_where_cuda_refuses_ordinary_memory_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where CUDA has no memory to lock, the same happens, with CUDA's error number."""
    cuda = Cuda()
    monkeypatch.setattr(cuda, "cudaHostAlloc", lambda *_: 2)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: cuda)
    assert page_locked((4,)).tolist() == [0, 0, 0, 0]
    assert "CUDA error: 2" in caplog.text
