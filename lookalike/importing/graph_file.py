"""From an untrusted ONNX file to a model that is whole, stands alone and uses nothing but ONNX's own operators."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from lookalike.importing.errors import ModelImportError
from lookalike.importing.external_data import take_in_external_data
from lookalike.importing.graph_parts import graphs_in, tensors_in

MOST_BYTES = 1 << 30
"""Of a graph with its weights; protobuf's own limit is twice that."""
MOST_NODES = 100_000
OLDEST_OPSET = 9
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
_OWN_DOMAINS = {"", "ai.onnx"}
_UNBOUNDED = {"Loop", "Scan"}
"""These may run for as long as they like: nothing that a request should start."""


def read_graph(path: Path) -> tuple[onnx.ModelProto, int]:
    """Read an ONNX file, weights that lie beside it included; returns it with its opset.

    Raises ``ModelImportError`` for whatever is no such model, and ``OSError`` where the file can't be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ModelImportError(f"{path.name} is larger than {MOST_BYTES >> 20:,} MiB: too large to be imported")
    model = _parse(path)
    if model.functions:
        raise ModelImportError(
            f"{path.name} defines functions of its own: write them out with onnx.inliner.inline_local_functions"
        )
    del model.training_info[:]
    nodes = sum(len(graph.node) for graph in graphs_in(model.graph))
    if nodes > MOST_NODES:
        raise ModelImportError(f"{path.name} has {nodes:,} nodes: more than {MOST_NODES:,} are not imported")
    take_in_external_data(model, path, MOST_BYTES)
    opset = _opset(model, path)
    _check_operators(model, path)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # its own ValidationError, and protobuf's errors
        raise ModelImportError(f"{path.name} is no valid ONNX model: {_first_line(error)}") from error
    _check_numbers(model, path)
    return model, opset


def _parse(path: Path) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(path.read_bytes())
    except OSError:
        raise
    except Exception as error:  # protobuf's DecodeError
        raise ModelImportError(f"{path.name} is no ONNX file, or is cut short: export or copy it again") from error
    if not model.graph.node:
        raise ModelImportError(f"{path.name} is no ONNX file, or is cut short: it has no graph")
    return model


def _opset(model: onnx.ModelProto, path: Path) -> int:
    versions: list[int] = [each.version for each in model.opset_import if each.domain in _OWN_DOMAINS]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        raise ModelImportError(
            f"{path.name} is of opset {versions or 'none'}: export it with one from {OLDEST_OPSET} to {newest}"
        )
    return versions[0]


def _check_operators(model: onnx.ModelProto, path: Path) -> None:
    for graph in graphs_in(model.graph):
        for node in graph.node:
            if node.domain not in _OWN_DOMAINS:
                raise ModelImportError(
                    f"{path.name} needs {node.op_type[:80]!r} of {node.domain[:80]!r}, which is not one of ONNX's own "
                    "operators: export the model without custom operators and before any runtime optimised it"
                )
            if node.op_type in _UNBOUNDED:
                raise ModelImportError(
                    f"{path.name} has a {node.op_type}, which may run for ever: export the model without loops"
                )
    kept = [each for each in model.opset_import if each.domain in _OWN_DOMAINS]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _check_numbers(model: onnx.ModelProto, path: Path) -> None:
    for tensor in tensors_in(model.graph):
        if tensor.data_type not in _FLOATS:
            continue
        try:
            values = numpy_helper.to_array(tensor)
        except Exception as error:  # whatever numpy says of data that don't fit the shape
            raise ModelImportError(f"{path.name}: the weights {tensor.name[:80]!r} are not as many as said") from error
        if np.isnan(values).any():
            raise ModelImportError(
                f"{path.name}: the weights {tensor.name[:80]!r} hold NaN: the training failed, or the file is damaged"
            )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
