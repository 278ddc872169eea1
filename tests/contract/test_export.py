"""Export: what is published computes what was trained, and says what it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from labels.splits import Split, split
from models.answer import Answers
from models.embedding import EmbeddingStatistics
from models.groups import SimilarityGroups
from models.manifest import CARD, EMBEDDING_STATISTICS, GRAPH, MANIFEST, TRAINING_PIXELS
from models.preprocessing import InputSpec
from models.repository import ModelArtifact, ModelRepository, verify
from models.scores import Scores
from models.training_pixels import load_hashes, pixel_hash, were_trained_on
from training import export as exporting
from training import half_precision, quantization
from training.data import DataSet
from training.data.data_set import Trust
from training.export import ExportedNetwork, ExportError, check_against_torch, export, run_graph
from training.networks import NetworkSpec, ResNet
from training.noise import Noise
from training.normalisation import Normalisation
from training.recipe import Recipe
from training.run import Run
from training.train_run import RunChoices, RunChoicesError, train_run

CLASSES = ("ant", "bee", "cat", "dog")
RECIPE = Recipe(
    network=NetworkSpec(widths=(4, 8), blocks=1, stem_stride=2),
    epochs=2,
    batch_size=16,
    trusted_share=0.25,
    learning_rate=0.1,
    momentum=(0.85, 0.95),
    weight_decay=5e-4,
    max_shift=1,
    mirror=True,
    own_untrusted=0.6,
    own_trusted=0.95,
)


@dataclass(frozen=True)
class Trained:
    run: Run
    data: DataSet
    repository: ModelRepository
    artifact: ModelArtifact
    epochs: list[dict[str, float]]

    @property
    def session(self) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(self.artifact.path / GRAPH, providers=["CPUExecutionProvider"])

    @property
    def network(self) -> ExportedNetwork:
        config = self.run.config
        return ExportedNetwork(self.run.load(), config.normalisation).eval()


def data_set(channels: int = 3) -> DataSet:
    """200 training and 40 test images of 10 x 12 pixels, each class brighter than the one before."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(240) % 4)
    images = (rng.integers(0, 100, (240, 10, 12, channels)) + 50 * labels[:, None, None, None]).astype(np.uint8)
    return DataSet(
        name="four animals",
        classes=CLASSES,
        groups=SimilarityGroups.from_lists(CLASSES, [("ant", "bee"), ("cat", "dog")]),
        input=InputSpec(height=10, width=12, channels=channels, resize=12),
        images=images[:200],
        labels=labels[:200],
        split=split(labels[:200], validation=40, reserve=20),
        test_images=images[200:],
        test_labels=labels[200:],
    )


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Trained:
    folder, data = tmp_path_factory.mktemp("export"), data_set()
    run, repository = Run(folder / "run"), ModelRepository(folder / "models")
    choices = RunChoices(
        noise=Noise.parse("asymmetric:0.4"),
        trusted=20,
        protocol="verified",
        loss="lp",
        confidence_labels=None,
        seed=5,
    )
    epochs = list(train_run(run, data, RECIPE, choices))
    return Trained(run, data, repository, export(run, data, repository, "animals"), epochs)


@pytest.mark.parametrize("size", [1, 3, 17])
def test_the_graph_computes_what_was_trained(trained: Trained, size: int) -> None:
    """At any batch size ONNX Runtime gives the logits and embeddings that torch gives."""
    images = trained.data.test_images[:size]
    with torch.inference_mode():
        logits, embedding = (each.numpy() for each in trained.network(torch.from_numpy(images)))
    got = run_graph(trained.session, images)
    assert got[0].shape == (size, 4)
    np.testing.assert_allclose(got[0], logits, atol=1e-4)
    np.testing.assert_allclose(got[1], embedding, atol=1e-4)
    check_against_torch(trained.network, trained.session, trained.data.test_images)


def test_the_graph_has_the_documented_inputs_and_outputs(trained: Trained) -> None:
    """The graph takes uint8 [N, H, W, C] with any N, and gives float32 logits and embedding."""
    (images,) = trained.session.get_inputs()
    assert (images.name, images.type) == ("images", "tensor(uint8)")
    assert isinstance(images.shape[0], str)
    assert images.shape[1:] == [10, 12, 3]
    outputs = {each.name: (each.type, each.shape[1:]) for each in trained.session.get_outputs()}
    assert outputs == {"logits": ("tensor(float)", [4]), "embedding": ("tensor(float)", [8])}
    assert trained.artifact.manifest.embedding_size == 8


def test_the_graph_stands_alone(trained: Trained) -> None:
    """The graph needs no file beside it and no operators but ONNX's own."""
    graph = onnx.load(trained.artifact.path / GRAPH, load_external_data=False)
    onnx.checker.check_model(graph)
    assert not any(each.external_data for each in graph.graph.initializer)
    assert {each.domain for each in graph.opset_import} <= {"", "ai.onnx"}
    assert sorted(path.name for path in trained.artifact.path.iterdir()) == sorted(
        [GRAPH, MANIFEST, CARD, EMBEDDING_STATISTICS, TRAINING_PIXELS]
    )


def test_what_is_published_verifies(trained: Trained) -> None:
    """The published version is found, is whole, and the next export becomes the next version."""
    assert str(trained.repository.resolve("animals@1")) == "animals@1"
    verify(trained.artifact)
    assert str(export(trained.run, trained.data, trained.repository, "animals")) == "animals@2"
    assert trained.repository.versions("animals") == ["1", "2"]


def test_the_manifest_says_how_the_model_came_to_be(trained: Trained) -> None:
    """Noise, protocol, loss, clamp, relaxation, recipe, seed and the numbers of samples are in the manifest."""
    manifest = trained.artifact.manifest
    made = manifest.provenance
    assert (made.data_set, made.noise, made.protocol, made.loss) == ("four animals", "asymmetric:0.4", "verified", "lp")
    assert (made.clamp, made.relaxation, made.seed) == (True, "l2", 5)
    assert (made.training_samples, made.trusted_samples) == (140, 20)
    assert made.recipe["learning_rate"] == 0.1
    assert made.libraries["torch"] == torch.__version__.split("+")[0] or made.libraries["torch"] == torch.__version__
    assert manifest.classes == CLASSES
    assert manifest.similarity_groups.as_lists() == [["ant", "bee"], ["cat", "dog"]]
    assert manifest.confidence_labels.untrusted[0] == (0.6, 0.4, 0, 0)
    assert manifest.validation_counts.sum(axis=1).tolist() == [10] * 4
    assert {"accuracy", "nll", "ece", "group_accuracy", "validation_accuracy"} <= manifest.metrics.keys()


def test_the_card_tells_a_person(trained: Trained) -> None:
    """The model card names the classes, groups, noise, protocol, loss, clamp and where calibration comes from."""
    card = (trained.artifact.path / CARD).read_text()
    for said in (
        "# animals 1",
        "ant, bee, cat, dog",
        "- cat, dog",
        "asymmetric:0.4 (protocol `verified`)",
        "lp, clamped at zero, relaxation l2",
        "140 images of the training split, 20 of them trusted",
        "40 samples held out with clean labels",
    ):
        assert said in card
    assert f"{trained.artifact.manifest.metrics['accuracy']:.4f}" in card


def test_training_images_are_known_by_their_pixels(trained: Trained) -> None:
    """The artifact knows the images that were trained on, and neither those held out nor the test images."""
    known = load_hashes(trained.artifact.path / TRAINING_PIXELS)
    data = trained.data

    def seen(images: np.ndarray) -> np.ndarray:
        return were_trained_on(np.array([pixel_hash(image) for image in images], dtype=np.uint64), known)

    assert seen(data.images[data.split.training]).all()
    assert not seen(data.images[data.split.validation]).any()
    assert not seen(data.images[data.split.reserve]).any()
    assert not seen(data.test_images).any()


def test_the_artifact_is_all_that_answers_need(trained: Trained) -> None:
    """From the folder alone, images get answers; most of these easy ones are in the right group."""
    path, manifest = trained.artifact.path, trained.artifact.manifest
    statistics = EmbeddingStatistics.load(path / EMBEDDING_STATISTICS)
    scores = Scores.of(*run_graph(trained.session, trained.data.test_images), manifest, statistics)
    found = Answers(manifest).of(scores)
    groups = manifest.similarity_groups
    right = [one["class"] in groups.of(k) for one, k in zip(found, trained.data.test_labels, strict=True)]
    assert np.mean(right) == pytest.approx(manifest.metrics["group_accuracy"], abs=1e-4)
    assert np.mean(right) > 0.7


def test_the_run_keeps_its_metrics(trained: Trained) -> None:
    """Each epoch reports loss and validation accuracy, and they are kept in the run folder."""
    assert [each["epoch"] for each in trained.epochs] == [1, 2]
    assert all(0 <= each["validation_accuracy"] <= 1 for each in trained.epochs)
    assert len((trained.run.path / "metrics.jsonl").read_text().splitlines()) == 2


def other_network(trained: Trained) -> ExportedNetwork:
    torch.manual_seed(99)
    return ExportedNetwork(ResNet(RECIPE.network, channels=3, classes=4), Normalisation([100.0], [60.0])).eval()


def test_another_network_s_graph_is_noticed(trained: Trained) -> None:
    """A graph that computes something else than the trained network is refused."""
    with pytest.raises(ExportError, match=r"logits of torch and ONNX Runtime differ by .* at a batch of 1"):
        check_against_torch(other_network(trained), trained.session, trained.data.test_images)


def test_a_wrong_graph_is_not_published(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the graph disagrees with torch, export fails and the repository is as it was."""
    write = exporting.write_graph
    monkeypatch.setattr(exporting, "write_graph", lambda _, images, path: write(other_network(trained), images, path))
    repository = ModelRepository(tmp_path / "models")
    with pytest.raises(ExportError):
        export(trained.run, trained.data, repository, "animals")
    assert repository.names() == []
    assert list(repository.root.iterdir()) == []


def test_a_cross_entropy_model_says_so(trained: Trained, tmp_path: Path) -> None:
    """A grey-image model trained by cross-entropy, without noise or trusted samples, says no clamp and none trusted."""
    data, run = data_set(channels=1), Run(tmp_path / "run")
    choices = RunChoices(
        noise=Noise.parse("none"), trusted=0, protocol="paper", loss="ce", confidence_labels=None, seed=0
    )
    for _ in train_run(run, data, RECIPE.model_copy(update={"epochs": 1}), choices):
        pass
    artifact = export(run, data, ModelRepository(tmp_path / "models"), "grey")
    made = artifact.manifest.provenance
    assert (made.loss, made.clamp, made.relaxation, made.trusted_samples) == ("ce", False, "none", 0)
    card = (artifact.path / CARD).read_text()
    assert "| loss | ce, relaxation none |" in card
    assert "none of them trusted" in card


def test_a_run_is_published_in_int8(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for int8, export publishes a graph of integers whose ranges come from the run's training images."""
    monkeypatch.setattr(quantization, "MOST_LOST", {})  # forty images say too little of that; it has tests of its own
    artifact = export(trained.run, trained.data, ModelRepository(tmp_path / "models"), "small", form="int8")
    verify(artifact)
    manifest, made = artifact.manifest, artifact.manifest.quantization
    assert (made.made_from, made.n, made.source) == (None, 140, "140 of the run's training images")
    assert made.float_metrics == trained.artifact.manifest.metrics
    assert manifest.provenance == trained.artifact.manifest.provenance
    assert manifest.metrics["accuracy"] == pytest.approx(made.float_metrics["accuracy"], abs=0.05)
    convolved = [each for each in onnx.load(artifact.path / GRAPH).graph.initializer if len(each.dims) == 4]
    assert {each.data_type for each in convolved} == {onnx.TensorProto.INT8}
    card = (artifact.path / CARD).read_text()
    assert "made from a training run" in card
    assert f"| {manifest.metrics['accuracy']:.4f} | {made.float_metrics['accuracy']:.4f} |" in card


def test_a_run_is_published_in_float16(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for float16, export publishes weights of half the size and nearly equal logits; in- and outputs stay."""
    monkeypatch.setattr(quantization, "MOST_LOST", {})  # forty images say too little of that
    artifact = export(trained.run, trained.data, ModelRepository(tmp_path / "models"), "half", form="fp16")
    verify(artifact)
    made = artifact.manifest.quantization
    assert (made.scheme, made.source, made.n) == ("float16", None, None)
    graph = onnx.load(artifact.path / GRAPH).graph
    weights = {each.data_type for each in graph.initializer if len(each.dims) in {2, 4}}
    assert weights == {onnx.TensorProto.FLOAT16}
    assert [each.type.tensor_type.elem_type for each in graph.input] == [onnx.TensorProto.UINT8]
    assert {each.type.tensor_type.elem_type for each in graph.output} == {onnx.TensorProto.FLOAT}
    session = onnxruntime.InferenceSession(artifact.path / GRAPH, providers=["CPUExecutionProvider"])
    images = trained.data.test_images
    want, got = run_graph(trained.session, images)[0], run_graph(session, images)[0]
    assert 0 < np.abs(want - got).max() <= 0.02 * np.abs(want).max()
    card = (artifact.path / CARD).read_text()
    assert "It computes in float16 from its first convolution on." in card
    assert "| | test, float16 | test, float32 | validation, float16 | validation, float32 |" in card


def test_float16_that_overflows_is_refused(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph whose outputs float16 can't hold is not published in it."""
    monkeypatch.setattr(half_precision, "TOLERANCE", 1e-6)
    repository = ModelRepository(tmp_path / "models")
    with pytest.raises(quantization.QuantizationError, match="not published: in float16 the logits differ by"):
        export(trained.run, trained.data, repository, "half", form="fp16")
    assert repository.names() == []


def test_without_held_out_samples_a_model_is_uncalibrated(tmp_path: Path) -> None:
    """Labels that came as they are, few of them trusted, make a model that says that nobody has checked it."""
    data = data_set(channels=1)
    everything, none = np.arange(200), np.array([], dtype=np.intp)
    trust = Trust(everything < 12, np.where(everything < 12, (data.labels + 1) % 4, data.labels))
    data = replace(
        data, split=Split(everything, none, none), trust=trust, test_images=data.images[:0], test_labels=data.labels[:0]
    )
    run = Run(tmp_path / "run")
    choices = RunChoices(
        noise=Noise.parse("none"), trusted=0, protocol="verified", loss="lp", confidence_labels=None, seed=0
    )
    (epoch,) = train_run(run, data, RECIPE.model_copy(update={"epochs": 1}), choices)
    assert "validation_accuracy" not in epoch
    np.testing.assert_array_equal(run.labels.trusted, trust.trusted)
    np.testing.assert_array_equal(run.labels.original, trust.original)
    artifact = export(run, data, ModelRepository(tmp_path / "models"), "plain")
    verify(artifact)
    manifest = artifact.manifest
    assert manifest.calibration is None
    assert (manifest.metrics, manifest.provenance.noise, manifest.provenance.trusted_samples) == ({}, "as given", 12)
    assert "None: no samples with clean labels were held out." in (artifact.path / CARD).read_text()
    with pytest.raises(quantization.QuantizationError, match="no samples are held out"):
        export(run, data, ModelRepository(tmp_path / "models"), "plain", form="int8")


def test_noise_is_not_added_to_labels_that_have_it(tmp_path: Path) -> None:
    """Labels that came as they are take no noise and no drawn trusted set on top."""
    data = data_set(channels=1)
    data = replace(data, trust=Trust(np.zeros(200, dtype=bool), data.labels))
    choices = RunChoices(
        noise=Noise.parse("asymmetric:0.4"), trusted=0, protocol="verified", loss="lp", confidence_labels=None, seed=0
    )
    with pytest.raises(RunChoicesError, match="taken as they are: leave out --noise and --trusted"):
        next(train_run(Run(tmp_path / "run"), data, RECIPE, choices))
