"""A graph opened on ONNX Runtime: on the device that was asked for, or not at all."""

import contextlib
import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal

import onnxruntime

from models.errors import LookalikeError
from models.repository import sha256_of
from service.inference.gpu_options import Device, GpuOptions

_log = logging.getLogger("lookalike.models")

_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_DEVICES: Mapping[str, Literal["cpu", "cuda", "tensorrt"]] = {_CPU: "cpu", _CUDA: "cuda", _TENSORRT: "tensorrt"}
_WORK = {"Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger", "QLinearConv", "QLinearMatMul"}
"""Operators that a GPU is there for."""


class DeviceError(LookalikeError):
    """The device asked for is not there."""


def open_session(graph: Path, device: Device, gpu: GpuOptions) -> onnxruntime.InferenceSession:
    """Open a graph; raises ``DeviceError``, and ONNX Runtime's own exceptions for a graph that can't be run.

    Libraries of custom operators are never loaded, and ONNX Runtime takes no weights from outside the graph's folder.
    """
    if {"onnxruntime", "onnxruntime-gpu"} <= {each.name for each in distributions()}:
        raise DeviceError("onnxruntime and onnxruntime-gpu overwrite each other: uninstall both, then install one")
    if device == "cpu" or (device == "auto" and _CUDA not in onnxruntime.get_available_providers()):
        return _on_cpu(graph)
    try:
        return _on_gpu(graph, "tensorrt" if device == "tensorrt" else "cuda", gpu)
    except DeviceError as error:
        if device != "auto":
            raise
        _log.warning("the CPU is used instead of a GPU: %s", error)
        return _on_cpu(graph)


def device_of(session: onnxruntime.InferenceSession) -> Literal["cpu", "cuda", "tensorrt"]:
    """Where a session runs what it can."""
    return _DEVICES[session.get_providers()[0]]


def work_on_cpu(session: onnxruntime.InferenceSession) -> set[str]:
    """Operators with work for a GPU that ONNX Runtime has given to the CPU: it does so for each one by itself."""
    parts = session.get_provider_graph_assignment_info()
    return _WORK & {node.op_type for part in parts if part.ep_name == _CPU for node in part.get_nodes()}


def _on_cpu(graph: Path) -> onnxruntime.InferenceSession:
    options = _options()
    # A memory pattern is kept for each number of images, and they don't fit into each other: with batches of varying
    # size the arena grows by more than half as much again, and nothing is faster (docs/benchmarks.md).
    options.enable_mem_pattern = False
    return _open(graph, options, [_CPU])


def _on_gpu(graph: Path, device: Literal["cuda", "tensorrt"], gpu: GpuOptions) -> onnxruntime.InferenceSession:
    wanted = _TENSORRT if device == "tensorrt" else _CUDA
    if wanted not in onnxruntime.get_available_providers():
        raise DeviceError(f"LOOKALIKE_DEVICE={device}, but this ONNX Runtime knows no GPU: install onnxruntime-gpu")
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it doesn't find
        onnxruntime.preload_dlls()
    providers: list[str | tuple[str, dict[str, str]]] = [(_CUDA, _cuda(gpu)), _CPU]
    if device == "tensorrt":
        providers.insert(0, (_TENSORRT, _tensorrt(graph, gpu)))
    options = _options()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        session = _open(graph, options, providers)
    except RuntimeError as error:  # a provider's; what is wrong with a graph are exceptions of other kinds
        raise DeviceError(f"LOOKALIKE_DEVICE={device}: {str(error).strip().splitlines()[-1]}") from error
    if session.get_providers()[0] != wanted:  # ONNX Runtime has taken the next provider without a word
        raise DeviceError(
            f"LOOKALIKE_DEVICE={device}, but ONNX Runtime finds no such device, or not its libraries; which, its own "
            "messages above say"
        )
    if work := work_on_cpu(session):
        _log.warning("%s: the GPU can't run %s, which the CPU does instead", graph, ", ".join(sorted(work)))
    return session


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # Parallelism comes from several inference threads, each at intra-op 1: on a CPU that is the most efficient, and
    # there are no threads of ONNX Runtime's own that would spin, or be as many as the host's cores in a container.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


def _open(
    graph: Path, options: onnxruntime.SessionOptions, providers: Sequence[str | tuple[str, dict[str, str]]]
) -> onnxruntime.InferenceSession:
    # By its fallback ONNX Runtime would go on with the CPU after a provider's error, even after one amid serving.
    return onnxruntime.InferenceSession(graph, options, providers, enable_fallback=0)


def _cuda(gpu: GpuOptions) -> dict[str, str]:
    return {
        "cudnn_conv_algo_search": gpu.cudnn_search.upper(),
        "cudnn_conv_use_max_workspace": "1",
        "use_tf32": str(int(gpu.tf32)),
        "enable_cuda_graph": str(int(gpu.cuda_graphs)),
        # The largest batch is run first, so there is nothing to grow for; and other models need memory, too.
        "arena_extend_strategy": "kSameAsRequested",
    }


def _tensorrt(graph: Path, gpu: GpuOptions) -> dict[str, str]:
    if gpu.tensorrt_cache is None:
        return {}
    # An engine holds the weights, but ONNX Runtime names it by the graph's structure (microsoft/onnxruntime#6455): two
    # versions of a model would share it. So each graph has a folder of its own, by its content.
    folder = gpu.tensorrt_cache / f"{sha256_of(graph)}-{onnxruntime.__version__}"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(gpu.tensorrt_cache),
    }
