"""A model on ONNX Runtime: uint8 images in, logits and embeddings out."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.answer import DEFAULT_LEVEL, DEFAULT_TOP_K, Answers, Prediction
from models.embedding import EmbeddingStatistics
from models.errors import LookalikeError
from models.manifest import EMBEDDING_STATISTICS, GRAPH, TRAINING_PIXELS, Manifest
from models.repository import ModelArtifact, ModelError, verify
from models.scores import Scores
from models.training_pixels import load_hashes
from service.inference.bound_runs import BoundRuns
from service.inference.gpu_options import Device, GpuOptions
from service.inference.session import device_of, open_session


class NotAClassifierError(ModelError):
    """The model is an encoder."""


class Classifier:
    """One verified model version, loaded. ``infer`` may be called from several threads at once.

    An encoder is a classifier of no classes: its logits are ``[N, 0]``, and it gives no answers.
    """

    def __init__(self, artifact: ModelArtifact, *, device: Device = "auto", gpu: GpuOptions | None = None) -> None:
        """Verify, load and warm; raises ``ModelError`` or ``DeviceError``."""
        verify(artifact)
        self.manifest: Manifest = artifact.manifest
        self._answers = Answers(self.manifest)
        self._training_pixels = artifact.path / TRAINING_PIXELS
        spec, classes, size = self.manifest.input, len(self.manifest.classes), self.manifest.embedding_size
        shape, gpu = (spec.height, spec.width, spec.channels), gpu or GpuOptions()
        try:
            self.statistics = (
                EmbeddingStatistics.load(artifact.path / EMBEDDING_STATISTICS)
                if EMBEDDING_STATISTICS in self.manifest.files
                else EmbeddingStatistics.unfitted(size)
            )
            self._session = open_session(artifact.path / GRAPH, device, gpu)
            self._outputs = ["embedding"] if self.manifest.is_encoder else ["logits", "embedding"]
            self._bound_runs = None if self.device == "cpu" else BoundRuns(self._session, self._outputs, shape, gpu)
            logits, embeddings = self.infer(np.zeros((1, *shape), dtype=np.uint8))
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
    def device(self) -> Literal["cpu", "cuda", "tensorrt"]:
        """Where it runs."""
        return device_of(self._session)

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """uint8 ``[N, H, W, C]`` to logits ``[N, K]`` and embeddings ``[N, D]``."""
        if self._bound_runs is None:
            # On a CPU there is nothing to copy to, and padding is work: docs/benchmarks.md has what both cost.
            outputs = self._session.run(self._outputs, {"images": images})
        else:
            outputs = self._bound_runs(images)
        logits, embeddings = outputs if len(outputs) == 2 else (np.empty((len(images), 0), dtype=np.float32), *outputs)
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
