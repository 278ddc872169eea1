"""A model on ONNX Runtime: uint8 images in, logits and embeddings out."""

import os
from importlib.metadata import distributions
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.answer import DEFAULT_LEVEL, DEFAULT_TOP_K, Answers, Prediction
from models.embedding import EmbeddingStatistics
from models.errors import LookalikeError
from models.manifest import EMBEDDING_STATISTICS, GRAPH, TRAINING_PIXELS, Manifest
from models.repository import ModelArtifact, ModelError, verify
from models.scores import Scores
from models.training_pixels import load_hashes


class NotAClassifierError(ModelError):
    """The model is an encoder."""


class DeviceError(LookalikeError):
    """The device asked for is not there."""


class Classifier:
    """One verified model version, loaded. ``infer`` may be called from several threads at once.

    An encoder is a classifier of no classes: its logits are ``[N, 0]``, and it gives no answers.
    """

    def __init__(self, artifact: ModelArtifact, *, device: str = "auto") -> None:
        """Verify, load and warm; raises ``ModelError`` or ``DeviceError``."""
        verify(artifact)
        self.manifest: Manifest = artifact.manifest
        self._answers = Answers(self.manifest)
        self._training_pixels = artifact.path / TRAINING_PIXELS
        spec, classes, size = self.manifest.input, len(self.manifest.classes), self.manifest.embedding_size
        try:
            self.statistics = (
                EmbeddingStatistics.load(artifact.path / EMBEDDING_STATISTICS)
                if EMBEDDING_STATISTICS in self.manifest.files
                else EmbeddingStatistics.unfitted(size)
            )
            self._session = _session(artifact.path / GRAPH, device)
            logits, embeddings = self.infer(np.zeros((1, spec.height, spec.width, spec.channels), dtype=np.uint8))
        except LookalikeError:
            raise
        except Exception as error:  # ONNX Runtime's and numpy's many ways to say that a file is not what it should be
            raise ModelError(f"{artifact} can't be loaded: {error}") from error
        if (logits.shape, embeddings.shape) != ((1, classes), (1, size)):
            raise ModelError(
                f"{artifact}: the graph gives {logits.shape[1:]} logits and an embedding of {embeddings.shape[1:]}, "
                f"its manifest says {classes} and {size}"
            )

    @property
    def device(self) -> str:
        """``cuda`` or ``cpu``."""
        return "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """uint8 ``[N, H, W, C]`` to logits ``[N, K]`` and embeddings ``[N, D]``."""
        if self.manifest.is_encoder:
            (embeddings,) = self._session.run(["embedding"], {"images": images})
            return np.empty((len(images), 0), dtype=np.float32), embeddings
        logits, embeddings = self._session.run(["logits", "embedding"], {"images": images})
        return logits, embeddings

    def score(self, images: NDArray[np.uint8]) -> Scores:
        """uint8 ``[N, H, W, C]`` to what the model says of them."""
        return Scores.of(*self.infer(images), self.manifest, self.statistics)

    def no_scores(self) -> Scores:
        """Scores of no images."""
        logits = np.empty((0, len(self.manifest.classes)), dtype=np.float32)
        embeddings = np.empty((0, self.manifest.embedding_size), dtype=np.float32)
        return Scores.of(logits, embeddings, self.manifest, self.statistics)

    def answer(self, scores: Scores, *, level: float = DEFAULT_LEVEL, top_k: int = DEFAULT_TOP_K) -> list[Prediction]:
        """Word scores as answers; raises ``NotAClassifierError`` for an encoder."""
        self.must_classify()
        return self._answers.of(scores, level=level, top_k=top_k)

    def must_classify(self) -> None:
        """Raise ``NotAClassifierError`` for an encoder."""
        if self.manifest.is_encoder:
            raise NotAClassifierError(
                f"{self.manifest.name}@{self.manifest.version} is an encoder and knows no classes: name a classifier; "
                "an encoder serves audits of classes that no model knows"
            )

    @property
    def warnings(self) -> list[str]:
        """What a person should know of its answers."""
        if self.manifest.is_encoder or self.manifest.calibration is not None:
            return []
        warning = (
            f"{self.manifest.name}@{self.manifest.version} is not calibrated: its probabilities may promise too much, "
            "and there are no prediction sets and outliers; import it again with --calibrate LABELS --images DIR"
        )
        return [warning]

    def training_pixels(self) -> NDArray[np.uint64]:
        """Hashes of the images that the model was trained on, sorted; empty where they are not known."""
        if TRAINING_PIXELS not in self.manifest.files:
            return np.empty(0, dtype=np.uint64)
        return load_hashes(self._training_pixels)


def _session(graph: Path, device: str) -> onnxruntime.InferenceSession:
    if {"onnxruntime", "onnxruntime-gpu"} <= {each.name for each in distributions()}:
        raise DeviceError("onnxruntime and onnxruntime-gpu overwrite each other: uninstall both, then install one")
    available = onnxruntime.get_available_providers()
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in available:
        onnxruntime.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    # Parallelism comes from several inference threads, each at intra-op 1: on a CPU that is the most efficient.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=providers)
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():  # it falls back silently
        raise DeviceError("LOOKALIKE_DEVICE=cuda, but ONNX Runtime finds no CUDA device or its libraries")
    return session
