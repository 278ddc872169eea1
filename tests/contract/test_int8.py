"""The int8 form of a model: as good as the one in float32, or not published."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from lookalike.quantizing.evidence import Evidence
from lookalike.quantizing.publish import quantize_version
from models.manifest import CARD, GRAPH
from models.repository import SHIPPED, ModelArtifact, ModelRepository, sha256_of, verify
from models.scores import Scores
from service.inference.classifier import Classifier
from training.data import DataSet, load_fashion_mnist
from training.held_out import HeldOut, run_graph
from training.quantization import QuantizationError, range_images


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_fashion_mnist(None)


@pytest.fixture(scope="module")
def float32() -> ModelArtifact:
    return ModelRepository(SHIPPED).resolve("fashion-mnist")


@pytest.fixture(scope="module")
def evidence(data: DataSet) -> Evidence:
    """500 training images for the ranges, 3,000 validation images to calibrate and judge by."""
    rows = data.split.validation[:3000]
    held_out = HeldOut("3,000 validation images", data.images[rows], data.labels[rows])
    return Evidence(range_images(data.images, data.split.training), "500 training images", held_out)


@pytest.fixture(scope="module")
def int8(float32: ModelArtifact, evidence: Evidence, tmp_path_factory: pytest.TempPathFactory) -> ModelArtifact:
    return quantize_version(float32, evidence, ModelRepository(tmp_path_factory.mktemp("store")), "small")


def scores(artifact: ModelArtifact, images: np.ndarray) -> Scores:
    classifier = Classifier(artifact, device="cpu")
    return Scores.joined([classifier.score(batch) for batch in np.split(images, len(images) // 100)])


def test_it_answers_as_in_float32(float32: ModelArtifact, int8: ModelArtifact, data: DataSet) -> None:
    """On images that nothing saw the served int8 form names the same class of 98 in 100, and as often the right one."""
    rows = data.split.reserve[:3000]
    before, after = (scores(each, np.ascontiguousarray(data.images[rows])) for each in (float32, int8))
    top, was = after.ranking[:, 0], before.ranking[:, 0]
    assert (top == was).mean() > 0.98
    truth = data.labels[rows]
    # Twelve of 3,000 flips that all go the wrong way; those that matter go both ways.
    assert (top == truth).mean() > (was == truth).mean() - 0.004
    assert np.abs(after.probabilities - before.probabilities).mean() < 0.01
    assert after.outliers.mean() < 0.03


def test_it_says_what_it_is(float32: ModelArtifact, int8: ModelArtifact) -> None:
    """Manifest and card have its origin and both forms' figures side by side; the rest is the origin's."""
    verify(int8)
    manifest, origin = int8.manifest, float32.manifest
    made = manifest.quantization
    assert made is not None
    assert (made.made_from, made.n, made.source) == ("fashion-mnist@1", 500, "500 training images")
    assert made.float_sha256 == origin.files[GRAPH]
    assert manifest.metrics.keys() == made.float_metrics.keys() > {"validation_accuracy", "validation_group_ece"}
    assert (manifest.classes, manifest.groups, manifest.provenance) == (
        origin.classes,
        origin.groups,
        origin.provenance,
    )
    assert manifest.calibration is not None
    assert (manifest.calibration.source, manifest.calibration.n) == ("3,000 validation images", 3000)
    assert manifest.calibration.temperature != origin.temperature
    card = (int8.path / CARD).read_text()
    accuracy = "validation_accuracy"
    assert f"| accuracy | {manifest.metrics[accuracy]:.4f} | {made.float_metrics[accuracy]:.4f} |" in card
    assert "made from fashion-mnist@1" in card
    assert (int8.path / GRAPH).stat().st_size < (float32.path / GRAPH).stat().st_size / 3


def test_the_graph_stands_alone(int8: ModelArtifact, data: DataSet) -> None:
    """The graph has ONNX's own operators only, and takes any number of images, which don't change each other."""
    graph = onnx.load(int8.path / GRAPH, load_external_data=False)
    onnx.checker.check_model(graph)
    assert {each.domain for each in graph.opset_import} == {""}
    assert not graph.metadata_props
    session = onnxruntime.InferenceSession(int8.path / GRAPH, providers=["CPUExecutionProvider"])
    together, _ = run_graph(session, data.test_images[:17])
    alone = np.concatenate([run_graph(session, data.test_images[i : i + 1])[0] for i in range(17)])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_integers_compute_what_the_graph_says(int8: ModelArtifact, data: DataSet) -> None:
    """The integer kernels of this machine don't overflow: rounding as the graph says, in floats, gives the same."""
    as_written = onnxruntime.SessionOptions()
    as_written.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    found = [
        run_graph(onnxruntime.InferenceSession(int8.path / GRAPH, options, providers=["CPUExecutionProvider"]), images)
        for images in [data.test_images[:500]]
        for options in (None, as_written)
    ]
    # A value at the edge between two steps may be rounded either way, and that goes on to the end.
    assert np.abs(found[0][0] - found[1][0]).max() < 0.2
    assert found[0][0].std() > 2


def test_what_loses_too_much_is_not_published(
    float32: ModelArtifact, data: DataSet, evidence: Evidence, tmp_path: Path
) -> None:
    """Ranges measured on black images fit no others: the error has the figures, and nothing is published."""
    black = Evidence(np.zeros_like(evidence.ranges), "black images", evidence.held_out)
    repository, before = ModelRepository(tmp_path / "store"), sha256_of(float32.path / GRAPH)
    with pytest.raises(QuantizationError, match=r"the accuracy on the held-out images is 0\.\d+ instead of 0\.9\d+"):
        quantize_version(float32, black, repository, "small")
    assert repository.names() == []
    assert list(repository.root.iterdir()) == []
    assert sha256_of(float32.path / GRAPH) == before


def test_it_is_not_quantized_twice(int8: ModelArtifact, evidence: Evidence, tmp_path: Path) -> None:
    """A model that is in int8 already is refused."""
    with pytest.raises(QuantizationError, match="small@1 is quantised already"):
        quantize_version(int8, evidence, ModelRepository(tmp_path), "smaller")
