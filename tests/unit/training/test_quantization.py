"""Graphs in float32 become graphs in int8 that compute nearly the same, or are refused with the reason."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.quantization import MOST_LOST, QuantizationError, must_keep_up, quantize

RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)


def network(opset: int, *, convolves: bool = True, channels: int = 3) -> onnx.ModelProto:
    """Normalisation, a block with batch normalisation and a sum, pooling, a linear layer; its nodes have no names."""
    stored = {
        "mean": np.float32(127),
        "scale": np.float32(1 / 60),
        "first": RNG.normal(size=(8, channels, 3, 3), scale=0.3),
        "second": RNG.normal(size=(8, 8, 3, 3), scale=0.1),
        "gamma": RNG.uniform(0.5, 2, 8),
        "beta": RNG.normal(size=8),
        "average": RNG.normal(size=8),
        "variance": RNG.uniform(0.5, 2, 8),
        "weights": RNG.normal(size=(8 if convolves else channels, 4)),
        "bias": RNG.normal(size=4),
    }
    block = [
        helper.make_node("Conv", ["x", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", "gamma", "beta", "average", "variance"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "second"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c", "d"], ["e"]),
        helper.make_node("Relu", ["e"], ["f"]),
    ]
    nodes = [
        helper.make_node("Transpose", ["images"], ["bytes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["bytes"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["numbers", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["x"]),
        *(block if convolves else []),
        helper.make_node("GlobalAveragePool", ["f" if convolves else "x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 12, 12, channels])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None]) for name in ("logits", "embedding")],
        [numpy_helper.from_array(np.asarray(each, dtype=np.float32), name) for name, each in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def outputs(path: Path, images: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits", "embedding"], {"images": images})


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
@pytest.mark.parametrize("channels", [1, 3])
def test_int8_computes_nearly_the_same(opset: int, channels: int, tmp_path: Path) -> None:
    """Graphs of old and new opsets, grey and in colour, give the same to a few hundredths of what they vary by."""
    before, after = tmp_path / "float32.onnx", tmp_path / "int8.onnx"
    onnx.save(network(opset, channels=channels), before)
    images = IMAGES[..., :channels]
    quantize(before, after, images[:20])
    for was, became in zip(outputs(before, images[20:]), outputs(after, images[20:]), strict=True):
        assert 0 < np.abs(was - became).max() < 0.1 * was.std() + 0.05
    rounded = onnx.load(after)
    onnx.checker.check_model(rounded)
    assert {each.domain for each in rounded.opset_import} == {""}
    stored = {tensor.data_type for tensor in rounded.graph.initializer if len(tensor.dims) == 4}
    assert stored == ({TensorProto.INT8} if channels == 3 else {TensorProto.INT8, TensorProto.FLOAT})


def test_what_has_no_convolutions_is_refused(tmp_path: Path) -> None:
    """A graph that int8 would not speed up is refused, and its file stays as it was."""
    path = tmp_path / "model.onnx"
    onnx.save(network(17, convolves=False), path)
    before = path.read_bytes()
    with pytest.raises(QuantizationError, match="no convolutions"):
        quantize(path, path, IMAGES)
    assert path.read_bytes() == before


def test_what_onnx_runtime_can_not_run_is_refused(tmp_path: Path) -> None:
    """Images of another size than the graph takes end in one line that says so, not in ONNX Runtime's exception."""
    path = tmp_path / "model.onnx"
    onnx.save(network(17), path)
    with pytest.raises(QuantizationError, match="ONNX Runtime can't quantise the graph: "):
        quantize(path, path, IMAGES[:, :5])


@pytest.mark.parametrize("figure", list(MOST_LOST))
def test_only_what_keeps_up_is_published(figure: str) -> None:
    """Losses up to the bound pass, as do gains; more than that is refused, naming both figures."""
    before = {f"validation_{each}": 0.5 for each in MOST_LOST}
    sign = -1 if figure == "accuracy" else 1
    for change in (0, MOST_LOST[figure], -0.1):
        must_keep_up(before, before | {f"validation_{figure}": 0.5 + sign * change})
    worse = 0.5 + sign * (MOST_LOST[figure] + 0.0001)
    with pytest.raises(QuantizationError, match=f"is {worse:.4f} instead of 0.5000, more than 0.[35] points worse"):
        must_keep_up(before, before | {f"validation_{figure}": worse})
