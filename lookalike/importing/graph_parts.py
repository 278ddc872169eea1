"""The parts of an ONNX graph, also inside its subgraphs."""

from collections.abc import Iterator

import onnx


def graphs_in(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all below it."""
    waiting = [graph]
    while waiting:
        one = waiting.pop()
        yield one
        for node in one.node:
            waiting.extend(subgraphs(node))


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that a node holds, such as the branches of an ``If``."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def tensors_in(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that is stored: weights, sparse weights, and those in attributes."""
    for one in graphs_in(graph):
        yield from one.initializer
        for sparse in one.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in one.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                for sparse in (
                    *([attribute.sparse_tensor] * attribute.HasField("sparse_tensor")),
                    *attribute.sparse_tensors,
                ):
                    yield from (sparse.values, sparse.indices)


def names_used(node: onnx.NodeProto) -> set[str]:
    """The tensors that a node needs, those that its subgraphs take from outside among them."""
    names = set(node.input)
    for graph in subgraphs(node):
        for each in graphs_in(graph):
            names.update(name for inner in each.node for name in inner.input)
            names.update(output.name for output in each.output)
    return names - {""}


def constants_in(graph: onnx.GraphProto) -> set[str]:
    """Names of the tensors that do not depend on the input, as far as it is plain to see."""
    stored = {tensor.name for tensor in graph.initializer}
    return stored | {name for node in graph.node if node.op_type == "Constant" for name in node.output}
