"""From float32 to float16: a graph of half the size, which GPUs compute about twice as fast.

Its input stays bytes, normalisation and outputs stay float32. ONNX Runtime has no convolutions in float16 on a CPU:
there it turns weights and activations back, so that what is checked here is the price of rounding, not a GPU's sums.
"""

from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.transformers.float16 import convert_float_to_float16

from models.groups import SimilarityGroups
from models.manifest import Quantization
from models.repository import sha256_of
from training.held_out import HeldOut, Measured, measure, run_graph
from training.quantization import QuantizationError, must_keep_up, with_names

TOLERANCE = 0.02
"""Largest difference of an output from that in float32, as a share of the largest output: float16 keeps 11 bits."""


def to_float16(
    graph: Path, images: NDArray[np.uint8], held_out: HeldOut, groups: SimilarityGroups
) -> tuple[Measured, Quantization]:
    """Replace a graph's file by its float16 form, calibrated anew; returns what the manifest says of it.

    Raises ``QuantizationError`` where outputs on ``images`` uint8 ``[n, H, W, C]`` differ by more than ``TOLERANCE``,
    or accuracy or calibration on the held-out images, where there are any, get worse than ``MOST_LOST`` allows.
    """
    digest, before = sha256_of(graph), measure(graph, held_out, groups)
    outputs = _outputs(graph, images)
    convert(graph, graph)
    for name, was, became in zip(("logits", "embedding"), outputs, _outputs(graph, images), strict=True):
        lost, most = float(np.abs(became - was).max()), TOLERANCE * float(np.abs(was).max())
        if not lost <= most:
            raise QuantizationError(
                f"not published: in float16 the {name} differ by {lost:.3g}, more than {most:.3g}; keep float32"
            )
    after = measure(graph, held_out, groups)
    if len(held_out.labels):
        must_keep_up(before.metrics, after.metrics, form="float16")
    return after, Quantization(
        scheme="float16",
        source=None,
        n=None,
        made_from=None,
        float_sha256=digest,
        float_metrics=before.metrics,
        libraries={"onnx": installed("onnx"), "onnxruntime": onnxruntime.__version__},
    )


def convert(graph: Path, out: Path) -> None:
    """Write a graph with everything in float16 from the first convolution on."""
    model = with_names(onnx.load(graph))
    nodes = list(model.graph.node)
    first = next((i for i, node in enumerate(nodes) if node.op_type == "Conv"), len(nodes))
    kept = [node.name for node in nodes[:first]]
    onnx.save(convert_float_to_float16(model, keep_io_types=True, node_block_list=kept), out)


def _outputs(graph: Path, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return run_graph(onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]), images)
