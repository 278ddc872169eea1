"""How a model runs on a GPU; on a CPU none of it matters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["auto", "cpu", "cuda", "tensorrt"]
"""What is asked for: ``auto`` takes ``cuda`` where it works, else ``cpu``."""
CudnnSearch = Literal["heuristic", "exhaustive"]
"""How cuDNN picks a convolution's algorithm: by its modes A and B. (ONNX Runtime's third, ``DEFAULT``, has been cuDNN's
fallback engines since version 1.20, many times slower: microsoft/onnxruntime#22705.)"""


@dataclass(frozen=True)
class GpuOptions:
    """Settings of the providers ``cuda`` and ``tensorrt``."""

    max_batch: int = 32
    """Largest batch in one run; buffers are kept for it, and for every power of two below it."""
    tf32: bool = False
    """Whether products of float32 may be rounded to 10 bits of mantissa, which Ampere and later compute much faster."""
    cudnn_search: CudnnSearch = "heuristic"
    cuda_graphs: bool = False
    """Whether a batch's kernels are recorded once and launched together; ``cuda`` only."""
    tensorrt_cache: Path | None = None
    """Folder for the engines that TensorRT builds, which takes minutes; None: built again at every start."""
