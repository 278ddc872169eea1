"""Small ONNX models made by hand: they tell red, green and blue pictures apart."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lookalike.importing.publish import ImportedModel, ImportOptions, import_onnx
from models.repository import ModelRepository

COLOURS = ("red", "green", "blue")
WEIGHTS = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9], [1, 1, 1]], dtype=np.float32)
"""``[D, K]``: the embedding is the mean of each colour and their product with 1."""


def colour_model(
    *,
    batch: str | int = "n",
    side: int | str = 8,
    layout: str = "nchw",
    dtype: int = TensorProto.FLOAT,
    opset: int = 17,
    last: str | None = None,
    weights: np.ndarray = WEIGHTS[:3],
    flatten: str = "Flatten",
    names: tuple[str, str, str] = ("pixels", "pooled", "scores"),
    more_nodes: tuple[onnx.NodeProto, ...] = (),
    more_outputs: tuple[str, ...] = (),
    domain: str = "",
) -> onnx.ModelProto:
    """Pool, flatten, multiply; ``last`` is an operator at the end, such as ``Softmax``."""
    images, pooled, scores = names
    shape = [batch, 3, side, side] if layout == "nchw" else [batch, side, side, 3]
    nodes, planes = [], images
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [planes], ["planes"], perm=[0, 3, 1, 2]))
        planes = "planes"
    if dtype == TensorProto.UINT8:
        nodes.append(helper.make_node("Cast", [planes], ["numbers"], to=TensorProto.FLOAT))
        planes = "numbers"
    np_type = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    stored = [numpy_helper.from_array(weights.astype(np_type), "weights")]
    nodes.append(helper.make_node("GlobalAveragePool", [planes], ["means"]))
    if flatten == "Reshape":
        stored.append(numpy_helper.from_array(np.array([batch if isinstance(batch, int) else 0, 3]), "shape"))
        nodes.append(helper.make_node("Reshape", ["means", "shape"], [pooled]))
    else:
        nodes.append(helper.make_node(flatten, ["means"], [pooled]))
    output = "head" if last else scores
    nodes.append(helper.make_node("MatMul", [pooled, "weights"], [output]))
    if last:
        nodes.append(helper.make_node(last, [output], [scores], domain=domain))
    nodes += more_nodes
    float_type = TensorProto.FLOAT16 if dtype == TensorProto.FLOAT16 else TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(name, float_type, [None, None]) for name in (scores, *more_outputs)]
    graph = helper.make_graph(nodes, "colours", [helper.make_tensor_value_info(images, dtype, shape)], outputs, stored)
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1)] * bool(domain)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="by hand")


@pytest.fixture(scope="session")
def make_colour_model() -> Callable[..., onnx.ModelProto]:
    """Make a variant of the model."""
    return colour_model


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Write a variant of the model, or any bytes, to a file."""

    def save(content: bytes | None = None, **options: Any) -> Path:
        path = tmp_path / "colours.onnx"
        path.write_bytes(colour_model(**options).SerializeToString() if content is None else content)
        return path

    return save


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """The file of class names."""
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(COLOURS) + "\n")
    return path


@pytest.fixture
def store(tmp_path: Path) -> ModelRepository:
    """An empty repository."""
    return ModelRepository(tmp_path / "store")


@pytest.fixture
def take(store: ModelRepository) -> Callable[..., ImportedModel]:
    """Import a file into the repository as ``colours``."""

    def imported(path: Path, **options: Any) -> ImportedModel:
        return import_onnx(path, store, "colours", ImportOptions(**options))

    return imported
