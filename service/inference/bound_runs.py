"""Runs on a GPU: batches of known sizes, from buffers and into buffers that stay where they are (IO binding)."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.errors import LookalikeError
from service.inference.buckets import bucket_of, bucket_sizes
from service.inference.gpu_options import GpuOptions
from service.inference.page_locked import page_locked

_T = TypeVar("_T")

_NO_CUDA_GRAPH = -1
"""As the number of a CUDA graph: launch the kernels one by one."""
_ROUNDING = 1e-2
"""Of the largest output; the same kernels run with and without buffers, so that a fault shows by far more."""


class BoundRunError(LookalikeError):
    """From its buffers, a graph gives other outputs than it should."""


@cache
def _cuda_graph_thread() -> ThreadPoolExecutor:
    """The process's one thread for CUDA graphs, of all models.

    ONNX Runtime keeps a graph for the thread that captured it, and while one is captured CUDA suffers no other calls.
    """
    return ThreadPoolExecutor(1, "cuda-graphs")


class BoundRuns:
    """A session with buffers for each bucket; may be called by several threads at once.

    Each bucket has two lanes, so that one call can copy its images while another one computes. With CUDA graphs it has
    one, and a thread of their own runs them all.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        outputs: Sequence[str],
        shape: tuple[int, int, int],
        gpu: GpuOptions,
        *,
        device: str = "cuda",
    ) -> None:
        """Run every bucket and check it, images being uint8 of ``shape``; raises ``BoundRunError``.

        ``device`` is where the buffers lie: where the session does, ``cuda`` or ``cpu``.
        """
        self._buckets = bucket_sizes(gpu.max_batch)
        self._thread = _cuda_graph_thread() if gpu.cuda_graphs else None
        self._lanes: dict[int, SimpleQueue[_Lane]] = {}
        # The largest first: it gets the memory that the others then find. Then the smallest: TensorRT builds an engine
        # for the range of sizes that it has seen, and after these two has seen them all.
        for bucket in (self._buckets[-1], *self._buckets[:-1]):
            self._lanes[bucket] = SimpleQueue()
            for _ in range(1 if gpu.cuda_graphs else 2):
                self._lanes[bucket].put(self._in_turn(_Lane, session, outputs, (bucket, *shape), device))

    def __call__(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Give the outputs ``[N, size]`` for images ``[N, H, W, C]``, in arrays of their own; N may be any number."""
        most = self._buckets[-1]
        parts = [self._run(images[start : start + most]) for start in range(0, max(1, len(images)), most)]
        return parts[0] if len(parts) == 1 else [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        lanes = self._lanes[bucket_of(len(images), self._buckets)]
        lane = lanes.get()
        try:
            return self._in_turn(lane.run, images)
        finally:
            lanes.put(lane)

    def _in_turn(self, act: Callable[..., _T], *arguments: Any) -> _T:
        return act(*arguments) if self._thread is None else self._thread.submit(act, *arguments).result()


class _Lane:
    """The buffers of one bucket: page-locked bytes on the host, and what the graph reads and writes, on the device."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        outputs: Sequence[str],
        shape: tuple[int, int, int, int],
        device: str,
    ) -> None:
        self._session, self._binding = session, session.io_binding()
        self._options = _options(cuda_graph=shape[0])
        self._host = page_locked(shape) if device == "cuda" else np.zeros(shape, dtype=np.uint8)
        self._images = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, device)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        expected = session.run(outputs, {"images": noise}, _options(cuda_graph=_NO_CUDA_GRAPH))
        for name, values in zip(outputs, expected, strict=True):
            buffer = onnxruntime.OrtValue.ortvalue_from_shape_and_type(values.shape, values.dtype, device)
            self._binding.bind_ortvalue_output(name, buffer)
        self.run(np.zeros_like(noise))  # where there are CUDA graphs, this captures one, and the next run replays it
        for name, want, got in zip(outputs, expected, self.run(noise), strict=True):
            largest = np.abs(want, where=np.isfinite(want), out=np.ones_like(want)).max()
            if not np.allclose(want, got, rtol=0, atol=_ROUNDING * largest, equal_nan=True):
                raise BoundRunError(f"from its buffers, {name} of {shape[0]} images is not what it is without them")

    def run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run at most a bucket's images; what stands in the buffer behind them is run, too, and left out."""
        self._host[: len(images)] = images
        self._images.update_inplace(self._host)
        # Bound anew each time, which costs nothing unless the graph's first node is not on the device: then it copies.
        self._binding.bind_ortvalue_input("images", self._images)
        self._session.run_with_iobinding(self._binding, self._options)
        return [values[: len(images)] for values in self._binding.copy_outputs_to_cpu()]


def _options(*, cuda_graph: int) -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(cuda_graph))
    return options
