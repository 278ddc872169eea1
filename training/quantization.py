"""From float32 to int8: static quantisation, with the ranges of activations measured on real images.

Jacob et al. 2018, as ONNX Runtime does it (QDQ: the graph stays one of ONNX's own operators, and says at which tensors
it is rounded).
"""

from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.errors import LookalikeError
from models.groups import SimilarityGroups
from models.manifest import Quantization
from models.repository import sha256_of
from training.data.pictures import Pictures
from training.held_out import HeldOut, Measured, batches, measure

RANGE_IMAGES = 500
"""Images on which the ranges of activations are measured."""
MOST_LOST = {"accuracy": 0.003, "ece": 0.005, "group_ece": 0.005}
"""By how much a figure may be worse than that of the graph in float32."""
_RANGE_SEED = 0
_OPSET = 13


class QuantizationError(LookalikeError):
    """The graph can't be quantised, or loses too much by it; the message has the figures."""


def to_int8(
    graph: Path,
    images: NDArray[np.uint8],
    held_out: HeldOut,
    groups: SimilarityGroups,
    *,
    source: str,
    made_from: str | None = None,
) -> tuple[Measured, Quantization]:
    """Replace a graph's file by its int8 form, calibrated anew; returns what the manifest says of it.

    ``images`` uint8 ``[n, H, W, C]`` give the ranges, ``source`` says in words what they are. Raises
    ``QuantizationError`` where accuracy or calibration on the held-out images are worse than ``MOST_LOST`` allows.
    """
    if not len(held_out.labels):
        raise QuantizationError("no samples are held out, so what int8 loses can't be measured: keep float32")
    digest, before = sha256_of(graph), measure(graph, held_out, groups)
    quantize(graph, graph, images)
    after = measure(graph, held_out, groups)
    must_keep_up(before.metrics, after.metrics)
    return after, Quantization(
        scheme="int8, static, per channel",
        source=source,
        n=len(images),
        made_from=made_from,
        float_sha256=digest,
        float_metrics=before.metrics,
        libraries={"numpy": np.__version__, "onnx": installed("onnx"), "onnxruntime": onnxruntime.__version__},
    )


def range_images(images: Pictures, index: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Draw at most ``RANGE_IMAGES`` of the images that ``index`` points to, the same at every call."""
    rng = np.random.default_rng(_RANGE_SEED)
    chosen: NDArray[np.uint8] = images[np.sort(rng.permutation(index)[:RANGE_IMAGES])]
    return chosen


def quantize(graph: Path, out: Path, images: NDArray[np.uint8]) -> None:
    """Write the int8 form of a graph: ``images`` uint8 ``[n, H, W, C]`` are run through it to see how large what gets.

    Convolutions and the sums after them are computed in integers. In float32 stay the normalisation before the first of
    them, the pooling, which gives the embedding, and the linear layer that gives the logits: they cost next to nothing,
    and 256 steps are too few for them. So does a first convolution over one channel, which is slower in integers.
    Raises ``QuantizationError`` for a graph without a convolution, or one that ONNX Runtime can't quantise.
    """
    with TemporaryDirectory() as name:
        prepared, rounded = Path(name) / "prepared.onnx", Path(name) / "int8.onnx"
        try:
            quant_pre_process(graph, prepared, skip_symbolic_shape=True)  # joins normalisations to convolutions
            model = with_names(onnx.load(prepared))
            onnx.save(model, prepared)
            quantize_static(
                prepared,
                rounded,
                _Reader(images),
                quant_format=QuantFormat.QDQ,
                nodes_to_quantize=_in_integers(model.graph),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                # Weights of 7 bits: on CPUs without VNNI sums of products of 8 bits overflow, and the calibration
                # would be another machine's.
                reduce_range=True,
            )
        except LookalikeError:
            raise
        except Exception as error:  # its many ways to fail
            raise QuantizationError(f"ONNX Runtime can't quantise the graph: {str(error)[:300]}") from error
        model = onnx.load(rounded)
    _keep_only_what_is_used(model)
    onnx.save(model, out)


def must_keep_up(before: Mapping[str, float], after: Mapping[str, float], form: str = "int8") -> None:
    """Raise ``QuantizationError`` where the ``validation_*`` figures of the smaller graph fall behind too far."""
    for figure, most in MOST_LOST.items():
        was, became = before[f"validation_{figure}"], after[f"validation_{figure}"]
        lost = was - became if figure == "accuracy" else became - was
        if lost > most + 1e-9:
            raise QuantizationError(
                f"not published: in {form} the {_IN_WORDS[figure]} on the held-out images is {became:.4f} instead of "
                f"{was:.4f}, more than {100 * most:g} points worse; keep the model in float32"
            )


_IN_WORDS = {
    "accuracy": "accuracy",
    "ece": "calibration error of the class",
    "group_ece": "calibration error of the group",
}


class _Reader(CalibrationDataReader):  # type: ignore[misc] # ONNX Runtime has no types
    """Feeds images to ONNX Runtime, batch by batch."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._batches = batches(images)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every node a name, in an opset that knows steps for each channel."""
    if any(each.version < _OPSET for each in model.opset_import if not each.domain):
        model = onnx.version_converter.convert_version(model, _OPSET)
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"node {i}"
    return model


def _in_integers(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes to compute in integers."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv" and node.input[1] in stored]
    if convolutions and stored[convolutions[0].input[1]].dims[1] == 1:
        del convolutions[0]
    if not convolutions:
        raise QuantizationError("the graph has no convolutions that would be faster in int8: keep it in float32")
    # Sums with something stored are shifts: the normalisation's, or those of a linear layer.
    sums = [node for node in graph.node if node.op_type == "Add" and not stored.keys() & set(node.input)]
    return [node.name for node in convolutions + sums]


def _keep_only_what_is_used(model: onnx.ModelProto) -> None:
    """Drop operator sets that no node is of, and ONNX Runtime's notes."""
    used = {node.domain for node in model.graph.node}
    kept = [each for each in model.opset_import if each.domain in used | {""}]
    del model.opset_import[:], model.metadata_props[:], model.graph.value_info[:]
    model.opset_import.extend(kept)
    model.doc_string = ""
