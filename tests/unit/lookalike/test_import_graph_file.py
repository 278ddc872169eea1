"""Reading an ONNX file that someone sent: whole, alone, and nothing but ONNX's own operators, or a clear refusal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from lookalike.importing import graph_file
from lookalike.importing.errors import ModelImportError
from lookalike.importing.graph_file import read_graph

Make = Callable[..., onnx.ModelProto]
Saved = Callable[..., Path]


def external(model: onnx.ModelProto, **place: str) -> bytes:
    """Say that the weights lie in another file."""
    (weights,) = model.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in place.items():
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


def test_a_good_file_is_read(saved: Saved) -> None:
    """A plain model comes back with its opset."""
    model, opset = read_graph(saved())
    assert opset == 17
    assert [node.op_type for node in model.graph.node] == ["GlobalAveragePool", "Flatten", "MatMul"]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(saved: Saved, make_colour_model: Make, share: float) -> None:
    """A file that was cut short is named, wherever the cut is."""
    content = make_colour_model().SerializeToString()
    with pytest.raises(ModelImportError, match=r"colours\.onnx"):
        read_graph(saved(content[: int(share * len(content))]))


@pytest.mark.parametrize("content", [b"text, not a model", b"\x89PNG\r\n\x1a\n", bytes(1000), b"PK\x03\x04"])
def test_what_is_no_onnx_file_is_refused(saved: Saved, content: bytes) -> None:
    """Any other file is refused in a sentence."""
    with pytest.raises(ModelImportError, match="is no ONNX file, or is cut short"):
        read_graph(saved(content))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused(
    saved: Saved, make_colour_model: Make, changes: list[tuple[int, int]]
) -> None:
    """Whatever bytes change, the file is either still a model or refused in a sentence: nothing crashes."""
    content = bytearray(make_colour_model().SerializeToString())
    for place, value in changes:
        content[place % len(content)] = value
    try:
        read_graph(saved(bytes(content)))
    except ModelImportError as error:
        assert "colours.onnx" in str(error)  # noqa: PT017 - it may be raised, it need not


def test_weights_beside_the_model_are_taken_in(saved: Saved, make_colour_model: Make, tmp_path: Path) -> None:
    """What torch writes for a large model, a second file with the weights, becomes part of the model."""
    weights = np.arange(9, dtype=np.float32)
    (tmp_path / "colours.onnx.data").write_bytes(b"before" + weights.tobytes() + b"after")
    content = external(make_colour_model(), location="colours.onnx.data", offset="6", length="36")
    model, _ = read_graph(saved(content))
    (stored,) = model.graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored), weights.reshape(3, 3))
    assert not stored.external_data


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"location": "../secret"}, "not a file beside the model"),
        ({"location": "below/../../secret"}, "not a file beside the model"),
        ({"location": "/etc/passwd"}, "not a file beside the model"),
        ({"location": ""}, "not a file beside the model"),
        ({}, "not a file beside the model"),
        ({"location": "link"}, "leads out of the model's folder"),
        ({"location": "folder"}, "missing"),
        ({"location": "nowhere"}, "missing"),
        ({"location": "data", "offset": "1"}, "cut short"),
        ({"location": "data", "offset": "-1"}, "cut short"),
        ({"location": "data", "length": "37"}, "cut short"),
        ({"location": "data", "offset": "one"}, "no number"),
        ({"location": "data", "length": "4"}, r"no valid ONNX model|not as many as said"),
    ],
)
def test_weights_from_elsewhere_are_refused(
    saved: Saved, make_colour_model: Make, tmp_path: Path, place: dict[str, str], said: str
) -> None:
    """No file outside the model's folder is ever read into a model, and a part that isn't there is named."""
    outside = tmp_path.parent / f"secret of {tmp_path.name}"
    outside.write_bytes(bytes(36))
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "folder").mkdir()
    (tmp_path / "data").write_bytes(bytes(36))
    if place.get("offset") == "1":
        place = place | {"length": "36"}
    with pytest.raises(ModelImportError, match=said):
        read_graph(saved(external(make_colour_model(), **place)))


def test_a_custom_operator_is_refused(saved: Saved) -> None:
    """A model that needs operators of someone's own is refused, naming the operator and whose it is."""
    with pytest.raises(ModelImportError, match=r"'Sparkle' of 'com\.example', which is not one of ONNX's own"):
        read_graph(saved(last="Sparkle", domain="com.example"))


def test_an_operator_of_a_runtime_is_refused(saved: Saved) -> None:
    """Operators that only one runtime knows, as its optimiser writes them, are refused with the cure."""
    with pytest.raises(ModelImportError, match="before any runtime optimised it"):
        read_graph(saved(last="Gelu", domain="com.microsoft"))


def branch(node: onnx.NodeProto) -> onnx.NodeProto:
    """Hide a node in a branch."""
    output = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [None])
    graph = helper.make_graph([node], "branch", [], [output])
    return helper.make_node("If", ["condition"], ["chosen"], then_branch=graph, else_branch=graph)


def test_a_custom_operator_in_a_branch_is_found(saved: Saved) -> None:
    """An operator hidden in the branch of an ``If`` is refused, too."""
    hidden = branch(helper.make_node("Sparkle", ["pooled"], ["inner"], domain="com.example"))
    with pytest.raises(ModelImportError, match="Sparkle"):
        read_graph(saved(more_nodes=(hidden,)))


def test_a_loop_is_refused(saved: Saved) -> None:
    """A model that could run for ever is not imported."""
    body = helper.make_graph([], "body", [], [])
    with pytest.raises(ModelImportError, match="Loop, which may run for ever"):
        read_graph(saved(more_nodes=(helper.make_node("Loop", ["", ""], ["x"], body=body),)))


def test_functions_of_its_own_are_refused(saved: Saved, make_colour_model: Make) -> None:
    """Functions, which could multiply a small file into billions of nodes, are to be written out first."""
    model = make_colour_model()
    node = helper.make_node("Relu", ["a"], ["b"])
    model.functions.append(helper.make_function("mine", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 17)]))
    with pytest.raises(ModelImportError, match="inline_local_functions"):
        read_graph(saved(model.SerializeToString()))


@pytest.mark.parametrize("opset", [1, 8, 1000])
def test_an_unknown_opset_is_refused(saved: Saved, opset: int) -> None:
    """Too old or too new: the message says which opsets there may be."""
    with pytest.raises(ModelImportError, match=rf"opset \[{opset}\]: export it with one from 9 to"):
        read_graph(saved(opset=opset))


def test_an_operator_that_there_is_not_is_refused(saved: Saved) -> None:
    """An operator that ONNX does not know is named."""
    with pytest.raises(ModelImportError, match=r"is no valid ONNX model: .*Sparkle"):
        read_graph(saved(last="Sparkle"))


def test_weights_that_are_no_numbers_are_refused(saved: Saved) -> None:
    """A single NaN among the weights is found before anything is published."""
    weights = np.eye(3, dtype=np.float32)
    weights[1, 2] = np.nan
    with pytest.raises(ModelImportError, match="'weights' hold NaN"):
        read_graph(saved(weights=weights))


def test_size_is_bounded(
    saved: Saved, make_colour_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a huge file, nor huge weights beside a small one, nor millions of nodes are taken in."""
    path = saved()
    with monkeypatch.context() as limits:
        limits.setattr(graph_file, "MOST_BYTES", 100)
        with pytest.raises(ModelImportError, match="too large to be imported"):
            read_graph(path)
    monkeypatch.setattr(graph_file, "MOST_NODES", 2)
    with pytest.raises(ModelImportError, match="has 3 nodes"):
        read_graph(path)
    monkeypatch.setattr(graph_file, "MOST_NODES", 100)
    monkeypatch.setattr(graph_file, "MOST_BYTES", 2000)
    (tmp_path / "data").write_bytes(bytes(3000))
    with pytest.raises(ModelImportError, match="its weights are too large"):
        read_graph(saved(external(make_colour_model(), location="data")))
