"""Graph surgery: bytes in, normalisation inside, ``logits`` and ``embedding`` out, any number of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lookalike.importing.anatomy import ImageInput, Layout
from lookalike.importing.graph_parts import constants_in, graphs_in, names_used
from models.preprocessing import InputSpec

IMAGES = "images"
_OWN = "lookalike/"
"""Prefix of the tensors that are added."""


@dataclass(frozen=True)
class Normalisation:
    """What becomes of a picture's bytes before the original graph gets them.

    A graph of floats gets ``(byte / 255 - mean) / std`` for each channel; one that takes bytes gets them as they are,
    and ``mean`` and ``std`` are empty.
    """

    layout: Layout
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, images: NDArray[np.uint8], dtype: str) -> NDArray[np.generic]:
        """The plain formula in numpy: uint8 ``[N, H, W, C]`` to what the original graph takes."""
        values: NDArray[np.generic] = images
        if self.mean:
            mean, std = (np.array(each, dtype=np.float32) for each in (self.mean, self.std))
            values = (images / np.float32(255) - mean) / std
        if self.layout == "nchw":
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values.astype(dtype))


@dataclass(frozen=True)
class Output:
    """Where an output of the wrapped graph comes from."""

    tensor: str
    """In the original graph."""
    rank: int
    """Of that tensor: 2, or 4 ``[N, D, h, w]``, whose average over the places is taken."""
    size: int


def wrap(
    original: onnx.ModelProto,
    images: ImageInput,
    spec: InputSpec,
    normalisation: Normalisation,
    outputs: Mapping[str, Output],
) -> onnx.ModelProto:
    """Make the graph that is served: ``images`` uint8 ``[N, H, W, C]`` to ``outputs``, each float32 ``[N, size]``.

    What the outputs don't need is left out, so are names of files and other traces of the machine that exported it.
    """
    model = onnx.ModelProto()
    model.CopyFrom(original)
    graph = model.graph
    if images.batch is not None:
        _free_reshapes(graph, images.batch)
    new_name = _rename(graph, {IMAGES, *outputs})
    nodes, stored = _normalise(new_name.get(images.name, images.name), images, normalisation)
    nodes += graph.node
    for name, output in outputs.items():
        nodes += _give(name, new_name.get(output.tensor, output.tensor), output.rank)
    stored += graph.initializer
    kept, needed = _needed(nodes, set(outputs))
    dims: list[str | int | None] = ["N", spec.height, spec.width, spec.channels]
    wrapped = helper.make_graph(
        kept,
        "imported",
        [helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, dims)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", each.size]) for name, each in outputs.items()],
        [tensor for tensor in stored if tensor.name in needed],
    )
    wrapped.sparse_initializer.extend(each for each in graph.sparse_initializer if each.values.name in needed)
    _forget_where_it_was_made(wrapped)
    # From version 4 of the format on, weights need not be inputs too: those that are would not count as constant.
    return helper.make_model(wrapped, ir_version=max(model.ir_version, 4), opset_imports=model.opset_import)


def _normalise(
    name: str, images: ImageInput, normalisation: Normalisation
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """From ``images`` to the tensor ``name``: multiplied and added to, which is the formula in two passes."""
    nodes: list[onnx.NodeProto] = []
    stored: list[onnx.TensorProto] = []
    last = IMAGES

    def then(operator: str, *more: str, **attributes: Any) -> None:
        nonlocal last
        made = f"{_OWN}{len(nodes)}"
        nodes.append(helper.make_node(operator, [last, *more], [made], **attributes))
        last = made

    if normalisation.layout == "nchw":
        then("Transpose", perm=[0, 3, 1, 2])  # while they are bytes: a quarter of the work
    if normalisation.mean:
        shape = (-1, 1, 1) if normalisation.layout == "nchw" else (-1,)
        mean, std = (
            np.array(each, dtype=np.float64).reshape(shape) for each in (normalisation.mean, normalisation.std)
        )
        for operator, values in (("scale", 1 / (255 * std)), ("shift", -mean / std)):
            stored.append(numpy_helper.from_array(values.astype(np.float32), _OWN + operator))
        then("Cast", to=TensorProto.FLOAT)
        then("Mul", _OWN + "scale")
        then("Add", _OWN + "shift")
        if images.type == "float16":
            then("Cast", to=TensorProto.FLOAT16)
    nodes.append(helper.make_node("Identity", [last], [name]))
    return nodes, stored


def _give(name: str, tensor: str, rank: int) -> list[onnx.NodeProto]:
    nodes = []
    if rank == 4:
        nodes.append(helper.make_node("GlobalAveragePool", [tensor], [f"{_OWN}{name}/pooled"]))
        nodes.append(helper.make_node("Flatten", [f"{_OWN}{name}/pooled"], [f"{_OWN}{name}/flat"], axis=1))
        tensor = f"{_OWN}{name}/flat"
    nodes.append(helper.make_node("Cast", [tensor], [name], to=TensorProto.FLOAT))
    return nodes


def _needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes, which stand in the order of their work, that the wanted tensors need; and all tensors these need."""
    kept, needed = [], set(wanted)
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= names_used(node)
    return kept[::-1], needed


def _rename(graph: onnx.GraphProto, taken: set[str]) -> dict[str, str]:
    """Give other names to the original's tensors that bear a name which the wrapped graph needs for its own."""
    graphs = list(graphs_in(graph))
    lists = [names for each in graphs for node in each.node for names in (node.input, node.output)]
    holders = [part for each in graphs for part in (*each.initializer, *each.input, *each.output)]
    holders += [sparse.values for each in graphs for sparse in each.sparse_initializer]
    known = {name for names in lists for name in names} | {holder.name for holder in holders}
    new_name = {}
    for name in sorted(known):
        if name in taken or name.startswith(_OWN):
            new_name[name] = f"original/{name}"
            while new_name[name] in known:
                new_name[name] += "_"
    for names in lists:
        names[:] = [new_name.get(name, name) for name in names]
    for each in graphs:
        del each.value_info[:]  # shapes that held for the original's number of images
    for holder in holders:
        holder.name = new_name.get(holder.name, holder.name)
    return new_name


def _free_reshapes(graph: onnx.GraphProto, batch: int) -> None:
    """Let a graph that was exported for ``batch`` images take any number.

    Exporters write that number as the first entry of the shapes that tensors get; 0 there means "as it comes in".
    Whether the graph then computes the same is checked by running it.
    """
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            stored[node.output[0]] = node.attribute[0].t
    constants = constants_in(graph)
    added = 0
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[0] in constants or node.input[1] not in stored:
            continue
        shape = numpy_helper.to_array(stored[node.input[1]]).copy()
        if shape.size < 2 or shape[0] != batch or (shape == 0).any():
            continue
        shape[0] = 0
        del node.attribute[:]  # its only one is "allowzero", by which 0 would be the number of images
        name = f"original/shape/{added}"
        added += 1
        graph.initializer.append(numpy_helper.from_array(shape, name))
        node.input[1] = name


def _forget_where_it_was_made(graph: onnx.GraphProto) -> None:
    for each in graphs_in(graph):
        del each.metadata_props[:]
        each.doc_string = ""
        for part in (*each.node, *each.initializer, *each.input, *each.output):
            del part.metadata_props[:]
            part.doc_string = ""
        for node in each.node:
            for attribute in node.attribute:
                attribute.doc_string = ""
