"""What a graph takes in, and which of its tensors are logits and embedding."""

from dataclasses import dataclass
from typing import Literal

import onnx
from onnx import TensorProto

from lookalike.importing.errors import ModelImportError
from lookalike.importing.graph_parts import constants_in

InputType = Literal["float32", "float16", "uint8"]
Layout = Literal["nchw", "nhwc"]

_TYPES: dict[int, InputType] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
}
_SOFTMAX = {"Softmax", "LogSoftmax"}
_HEADS = {"Gemm", "MatMul"}
_AFTER_THE_HEAD = {"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Add", "Mul", "Div", "Dropout"}
"""What may stand between the last linear layer and the logits."""


@dataclass(frozen=True)
class ImageInput:
    """The one input; sides and number of images are None where the graph leaves them free."""

    name: str
    type: InputType
    batch: int | None
    height: int | None
    width: int | None
    channels: int | None


@dataclass(frozen=True)
class Parts:
    """Names of tensors in the graph."""

    output: str
    """The graph's own output that is imported."""
    logits: str | None
    """The output, or what a softmax at the end makes it from; None for an encoder."""
    embedding: str


def find_input(graph: onnx.GraphProto, layout: Layout) -> ImageInput:
    """Look at the one input; raises ``ModelImportError`` unless it takes pictures in that layout."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in stored]
    if len(inputs) != 1:
        raise ModelImportError(f"the graph has the inputs {[each.name for each in inputs]}: it must have one, images")
    (images,) = inputs
    tensor = images.type.tensor_type
    if tensor.elem_type not in _TYPES:
        raise ModelImportError(
            f"the input {images.name!r} is not of type {', '.join(_TYPES.values())}: export the model with float32"
        )
    sizes = [each.dim_value if each.HasField("dim_value") and each.dim_value > 0 else None for each in tensor.shape.dim]
    if len(sizes) != 4:
        shown = f"{len(sizes)} dimensions" if tensor.HasField("shape") else "no known shape"
        raise ModelImportError(
            f"the input {images.name!r} has {shown}: pictures have 4, [N, C, H, W] or with --layout nhwc [N, H, W, C]"
        )
    batch, first, second, third = sizes
    channels, height, width = (first, second, third) if layout == "nchw" else (third, first, second)
    if channels not in (1, 3, None):
        other = "nhwc" if layout == "nchw" else "nchw"
        raise ModelImportError(
            f"the input {images.name!r} has {channels} channels, of shape {sizes}: pictures have 1 or 3; is its "
            f"layout {other} (--layout {other})?"
        )
    return ImageInput(images.name, _TYPES[tensor.elem_type], batch, height, width, channels)


def find_parts(graph: onnx.GraphProto, *, classifies: bool, embedding: str | None) -> Parts:
    """Find logits and embedding, the latter by name where one is given.

    A classifier's logits are the output of that name, else its only output; its embedding is the output of that name,
    else what goes into the last ``Gemm`` or ``MatMul`` before the logits, else the logits. An encoder's embedding is
    the output of that name, else its only output.
    """
    outputs = [each.name for each in graph.output]
    produced = {name for node in graph.node for name in node.output} - {""}
    if embedding is not None and embedding not in produced:
        raise ModelImportError(f"--embedding {embedding!r}: the graph has no such tensor; its outputs are {outputs}")
    if not classifies:
        embedding = embedding or _output("embedding", outputs, "an embedding: name it by --embedding")
        return Parts(embedding, None, embedding)
    output = _output("logits", outputs, "logits: export the model with one output, or with one of that name")
    logits = _before_softmax(graph, output)
    if embedding is None and "embedding" in outputs and output != "embedding":
        embedding = "embedding"
    return Parts(output, logits, embedding or _before_head(graph, logits) or logits)


def _output(wanted: str, outputs: list[str], cure: str) -> str:
    if wanted in outputs:
        return wanted
    if len(outputs) != 1:
        raise ModelImportError(f"the graph has the outputs {outputs}, and it can't be told which is {cure}")
    return outputs[0]


def _makers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in graph.node for name in node.output if name}


def _before_softmax(graph: onnx.GraphProto, output: str) -> str:
    maker = _makers(graph).get(output)
    if maker is not None and maker.op_type == "Sigmoid":
        raise ModelImportError(
            "the graph ends in a Sigmoid, so it gives any number of classes to an image: only models that choose one "
            "class can be imported"
        )
    return maker.input[0] if maker is not None and maker.op_type in _SOFTMAX else output


def _before_head(graph: onnx.GraphProto, logits: str) -> str | None:
    """What goes into the last linear layer."""
    makers, constants, name = _makers(graph), constants_in(graph), logits
    while maker := makers.get(name):
        varying = [each for each in maker.input if each and each not in constants]
        if maker.op_type in _HEADS:
            return maker.input[0] if maker.input[0] in varying else None
        if maker.op_type not in _AFTER_THE_HEAD or len(varying) != 1:
            return None
        (name,) = varying
    return None
