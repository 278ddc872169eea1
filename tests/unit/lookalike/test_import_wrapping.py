"""The served graph: bytes in, logits and embedding out, the same numbers as the original's for any number of images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from lookalike.importing.errors import ModelImportError
from lookalike.importing.preprocessing import PreprocessingOptions
from lookalike.importing.publish import ImportedModel
from models.manifest import GRAPH
from models.repository import ModelRepository
from service.inference.classifier import Classifier

Take = Callable[..., ImportedModel]
Saved = Callable[..., Path]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures(n: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def normalised(images: np.ndarray) -> np.ndarray:
    """What torchvision's ``ToTensor`` and ``Normalize`` make of pictures, but channels last."""
    values: np.ndarray = (images.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return values


def run(imported: ImportedModel, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return Classifier(imported.artifact, device="cpu").infer(images)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"opset": 9},
        {"opset": 13},
        {"batch": 1},
        {"batch": 1, "flatten": "Reshape"},
        {"batch": 4, "flatten": "Reshape"},
        {"side": "s"},
        {"names": ("images", "embedding", "logits")},
        {"names": ("logits", "images", "embedding")},
        {"names": ("lookalike/0", "lookalike/1", "lookalike/scale")},
        {"last": "Softmax"},
        {"last": "LogSoftmax"},
        {"last": "Identity"},
    ],
    ids=str,
)
def test_the_wrapped_graph_computes_what_the_original_does(
    saved: Saved, classes: Path, take: Take, variant: dict[str, Any], n: int
) -> None:
    """From bytes come the logits and the embedding that the original gives for normalised pictures."""
    path = saved(**variant)
    imported = take(path, classes=classes, preprocessing=PreprocessingOptions(size="8"))
    logits, embedding = run(imported, pictures(n))
    original = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    size = variant.get("batch", 1)
    (name,) = (each.name for each in original.get_inputs())
    planes = np.ascontiguousarray(normalised(pictures(n)).transpose(0, 3, 1, 2))
    for row in range(n):
        (expected,) = original.run(None, {name: np.repeat(planes[row : row + 1], size, axis=0)})
        got = logits[row]
        if variant.get("last") in ("Softmax", "LogSoftmax"):
            got = got - np.log(np.exp(got).sum())
            got = np.exp(got) if variant["last"] == "Softmax" else got
        np.testing.assert_allclose(got, expected[0], atol=1e-4)
    np.testing.assert_allclose(embedding, normalised(pictures(n)).mean(axis=(1, 2)), atol=1e-5)


def test_a_graph_of_bytes_keeps_its_own_normalisation(saved: Saved, classes: Path, take: Take) -> None:
    """A graph that takes bytes in [N, H, W, C] gets them as they are, and mean and std are refused for it."""
    path = saved(dtype=TensorProto.UINT8, layout="nhwc")
    imported = take(path, classes=classes, preprocessing=PreprocessingOptions(layout="nhwc"))
    np.testing.assert_allclose(run(imported, pictures(3))[1], pictures(3).mean(axis=(1, 2)), rtol=1e-5)
    with pytest.raises(ModelImportError, match="its normalisation is its own"):
        take(path, classes=classes, preprocessing=PreprocessingOptions(layout="nhwc", mean="0.5"))


def test_channels_may_come_last(saved: Saved, classes: Path, take: Take) -> None:
    """A graph of floats in [N, H, W, C] is normalised channel by channel, too."""
    imported = take(saved(layout="nhwc"), classes=classes, preprocessing=PreprocessingOptions(layout="nhwc"))
    np.testing.assert_allclose(run(imported, pictures(3))[1], normalised(pictures(3)).mean(axis=(1, 2)), atol=1e-5)


def test_half_precision_is_served(saved: Saved, classes: Path, take: Take) -> None:
    """A graph of float16 gives float32 outputs that are near those of full precision."""
    logits, embedding = run(take(saved(dtype=TensorProto.FLOAT16), classes=classes), pictures(3))
    assert (logits.dtype, embedding.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(embedding, normalised(pictures(3)).mean(axis=(1, 2)), atol=1e-2)


def test_the_artifact_has_the_documented_inputs_and_outputs(saved: Saved, classes: Path, take: Take) -> None:
    """The published graph takes uint8 [N, H, W, C] and gives float32 logits and embedding, by these names."""
    imported = take(saved(names=("a", "b", "c")), classes=classes)
    session = onnxruntime.InferenceSession(imported.artifact.path / GRAPH, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["N", 8, 8, 3])
    outputs = [(each.name, each.type, each.shape) for each in session.get_outputs()]
    assert outputs == [("logits", "tensor(float)", ["N", 3]), ("embedding", "tensor(float)", ["N", 3])]


def test_traces_of_the_exporters_machine_are_left_out(
    saved: Saved, make_colour_model: Callable[..., onnx.ModelProto], take: Take
) -> None:
    """Stack traces and notes, in which exporters leave paths and names, are not published, nor is what isn't needed."""
    model = make_colour_model()
    model.doc_string = model.graph.doc_string = "made in /home/someone"
    entry = model.graph.node[0].metadata_props.add()
    entry.key, entry.value = "stack_trace", "/home/someone/train.py"
    entry = model.metadata_props.add()
    entry.key, entry.value = "author", "/home/someone"
    imported = take(saved(bytes(model.SerializeToString())), embedding="pooled")
    content = (imported.artifact.path / GRAPH).read_bytes()
    assert b"someone" not in content
    assert [node.op_type for node in onnx.ModelProto.FromString(content).graph.node][-3:-1] == [
        "GlobalAveragePool",
        "Flatten",
    ]
    assert b"weights" not in content


def test_an_encoder_gives_only_an_embedding(saved: Saved, take: Take, store: ModelRepository) -> None:
    """Without class names the only output is the embedding; feature maps are averaged over their places."""
    manifest = take(saved()).artifact.manifest
    assert (manifest.is_encoder, manifest.embedding_size, manifest.groups) == (True, 3, ())
    imported = take(saved(), embedding="means")
    assert imported.artifact.manifest.version == "2"
    logits, embedding = run(imported, pictures(4))
    assert logits.shape == (4, 0)
    np.testing.assert_allclose(embedding, normalised(pictures(4)).mean(axis=(1, 2)), atol=1e-5)
    session = onnxruntime.InferenceSession(imported.artifact.path / GRAPH, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_outputs()] == ["embedding"]
    assert store.versions("colours") == ["1", "2"]


def test_a_named_tensor_is_the_embedding(saved: Saved, classes: Path, take: Take) -> None:
    """``--embedding`` takes any tensor of the graph; without a linear layer to be found the logits serve."""
    assert take(saved(), classes=classes, embedding="scores").artifact.manifest.embedding_size == 3
    relu = take(saved(last="Relu"), classes=classes).artifact.manifest.imported
    assert relu is not None
    assert (relu.logits, relu.embedding) == ("scores", "scores")
    with pytest.raises(ModelImportError, match="the graph has no such tensor"):
        take(saved(), classes=classes, embedding="nothing")


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ({"layout": "nhwc"}, "its layout nhwc"),
        ({"dtype": TensorProto.DOUBLE}, "not of type float32"),
        ({"last": "Sigmoid"}, "ends in a Sigmoid"),
        ({"more_outputs": ("pooled",)}, r"the outputs \['scores', 'pooled'\], and it can't be told which is logits"),
        ({"side": "s"}, "pictures of any size: name the one it works best at by --size"),
        ({"weights": np.ones((3, 4), np.float32)}, "tells 4 classes apart, but 3 are named"),
        ({"weights": np.full((3, 3), np.inf, np.float32)}, "numbers that are not finite"),
        ({"weights": np.zeros((3, 3), np.float32), "last": "Exp"}, None),
    ],
)
def test_what_can_not_be_served_is_refused(
    saved: Saved, classes: Path, take: Take, store: ModelRepository, variant: dict[str, Any], said: str | None
) -> None:
    """What no pictures go into, or no choice of classes comes out of, is refused, and nothing is published."""
    if said is None:  # exp of zeros: ones, which are no probabilities, so it can be served
        take(saved(**variant), classes=classes)
        return
    with pytest.raises(ModelImportError, match=said):
        take(saved(**variant), classes=classes)
    assert store.names() == []
    assert not store.root.exists() or list(store.root.iterdir()) == []


def test_an_input_of_another_rank_is_refused(
    saved: Saved, make_colour_model: Callable[..., onnx.ModelProto], classes: Path, take: Take
) -> None:
    """A graph over rows of numbers, as of tabular data, is no image model; nor is one with two inputs."""
    model = make_colour_model()
    del model.graph.input[0].type.tensor_type.shape.dim[3]
    with pytest.raises(ModelImportError, match="has 3 dimensions: pictures have 4"):
        take(saved(bytes(model.SerializeToString())), classes=classes)
    model = make_colour_model()
    model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))
    with pytest.raises(ModelImportError, match=r"the inputs \['pixels', 'second'\]"):
        take(saved(bytes(model.SerializeToString())), classes=classes)


def test_a_model_that_answers_at_random_is_refused(saved: Saved, classes: Path, take: Take) -> None:
    """A graph that draws random numbers, such as one exported while training, is found by running it."""
    noise = helper.make_node("RandomNormalLike", ["scores"], ["noise"], scale=1.0)
    model = helper.make_node("Add", ["scores", "noise"], ["logits"])
    with pytest.raises(ModelImportError, match="at random"):
        take(saved(more_nodes=(noise, model), more_outputs=("logits",)), classes=classes)


def test_a_model_whose_images_sway_each_other_is_refused(saved: Saved, classes: Path, take: Take) -> None:
    """An answer that depends on the other images of the batch, as by batch statistics, is no answer to an image."""
    mean = helper.make_node("ReduceMean", ["scores"], ["mean"], axes=[0], keepdims=1)
    model = helper.make_node("Sub", ["scores", "mean"], ["logits"])
    with pytest.raises(ModelImportError, match="in other company"):
        take(saved(more_nodes=(mean, model), more_outputs=("logits",)), classes=classes)


def test_a_graph_that_only_takes_its_own_number_of_images_is_refused(saved: Saved, classes: Path, take: Take) -> None:
    """A graph exported for one image, which can't be made to take more, is refused with the cure."""
    shape = helper.make_node("ConstantOfShape", ["three"], ["zeros"])
    three = helper.make_node("Constant", [], ["three"], value_ints=[1, 3])
    both = helper.make_node("Concat", ["scores", "zeros"], ["pairs"], axis=0)
    take_first = helper.make_node("Split", ["pairs"], ["logits", "rest"], axis=0)
    variant = {"batch": 1, "more_nodes": (three, shape, both, take_first), "more_outputs": ("logits",)}
    with pytest.raises(ModelImportError, match="exported for 1 images at a time, and can't be made to take any number"):
        take(saved(**variant), classes=classes)


def test_probabilities_without_a_softmax_are_refused(saved: Saved, classes: Path, take: Take) -> None:
    """A model whose output is already normalised, in a way that can't be undone, is refused with the cure."""
    positive = helper.make_node("Exp", ["scores"], ["positive"])
    total = helper.make_node("ReduceL1", ["positive"], ["total"], axes=[1], keepdims=1)
    share = helper.make_node("Div", ["positive", "total"], ["logits"])
    with pytest.raises(ModelImportError, match="holds probabilities"):
        take(saved(more_nodes=(positive, total, share), more_outputs=("logits",)), classes=classes)
