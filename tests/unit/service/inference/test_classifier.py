"""The classifier and the loaded models: nothing is served that is not whole, nor on another device than asked for."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from models.repository import ModelError, ModelRepository
from service.inference import classifier as classifier_module
from service.inference.bound_runs import BoundRuns
from service.inference.classifier import Classifier
from service.inference.gpu_options import GpuOptions
from service.inference.loaded_models import LoadedModels, NoModelsError
from service.inference.session import DeviceError
from service.settings import Settings


@pytest.fixture
def store(shipped: Path, tmp_path: Path) -> Path:
    """A copy of the shipped repository."""
    return Path(shutil.copytree(shipped, tmp_path / "store"))


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["model.onnx", "embedding.npz", "training_pixels.bin"])
def test_a_changed_byte_refuses_to_load(store: Path, file: str) -> None:
    """A file of a model that differs from the manifest in one bit is named and the model is not loaded."""
    artifact = ModelRepository(store).resolve()
    flip_a_byte(artifact.path / file)
    with pytest.raises(ModelError, match=file):
        Classifier(artifact)


def test_a_batch_gives_what_single_images_give(shipped: Path) -> None:
    """The outputs for an image do not depend on what else is in its batch."""
    classifier = Classifier(ModelRepository(shipped).resolve(), device="cpu")
    spec = classifier.manifest.input
    shape = (9, spec.height, spec.width, spec.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    logits, embeddings = classifier.infer(images)
    assert logits.shape == (9, len(classifier.manifest.classes))
    assert embeddings.shape == (9, classifier.manifest.embedding_size)
    for i in range(9):
        alone_logits, alone_embedding = classifier.infer(images[i : i + 1])
        np.testing.assert_allclose(alone_logits[0], logits[i], atol=1e-3)
        np.testing.assert_allclose(alone_embedding[0], embeddings[i], atol=1e-3)


def test_on_a_gpu_every_batch_goes_through_the_buffers(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not on the CPU runs batches of known sizes, by the options given, and its outputs are the same."""
    artifact = ModelRepository(shipped).resolve()
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28, 1), dtype=np.uint8)
    expected = Classifier(artifact, device="cpu").infer(images)
    ran = []

    class OnTheCpu(BoundRuns):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, device="cpu")

        def _run(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            ran.append(len(images))
            return super()._run(images)

    monkeypatch.setattr(classifier_module, "device_of", lambda _: "cuda")
    monkeypatch.setattr(classifier_module, "BoundRuns", OnTheCpu)
    classifier = Classifier(artifact, device="cpu", gpu=GpuOptions(max_batch=5))
    ran.clear()
    for got, want in zip(classifier.infer(images), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)
    assert ran == [5, 2]


def test_cuda_without_a_gpu_is_refused(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for ``cuda`` where there is none the service refuses to start instead of serving slowly."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="LOOKALIKE_DEVICE=cuda"):
        Classifier(ModelRepository(shipped).resolve(), device="cuda")


def test_an_empty_repository_is_refused(tmp_path: Path) -> None:
    """A service without models does not start, and says where it looked and what to set."""
    with pytest.raises(NoModelsError, match="LOOKALIKE_MODELS_DIR") as refused:
        LoadedModels(ModelRepository(tmp_path), Settings())
    assert str(tmp_path) in str(refused.value)


def test_a_second_version_that_is_broken_leaves_no_threads(store: Path) -> None:
    """Where a later version can't be loaded the threads of the earlier ones don't keep the process from ending."""
    second = Path(shutil.copytree(store / "fashion-mnist" / "1", store / "fashion-mnist" / "2"))
    manifest = json.loads((second / "manifest.json").read_text())
    (second / "manifest.json").write_text(json.dumps(manifest | {"version": "2"}))
    before = threading.active_count()
    loaded = LoadedModels(ModelRepository(store), Settings(inference_threads=1))
    assert loaded.get().classifier.manifest.version == "2"
    loaded.close()
    flip_a_byte(second / "model.onnx")
    with pytest.raises(ModelError, match="fashion-mnist@2"):
        LoadedModels(ModelRepository(store), Settings(inference_threads=1))
    assert threading.active_count() == before
