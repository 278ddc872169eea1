"""What a graph does on held-out images with clean labels: how it is calibrated, and its figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.calibration import calibrate
from models.distribution import class_probabilities
from models.embedding import EmbeddingStatistics
from models.groups import SimilarityGroups
from models.manifest import Calibration
from models.metrics import evaluate
from training.data import DataSet

_BATCH = 64


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Images uint8 ``[n, H, W, C]`` with their true classes ``[n]``, which took no part in training.

    The test images, where there are any, serve for figures alone.
    """

    source: str
    """In words, as the manifest says it."""
    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    test: tuple[NDArray[np.uint8], NDArray[np.integer]] | None = None

    @classmethod
    def of(cls, data: DataSet) -> Self:
        """The validation part of a data set, and its test split."""
        rows = data.split.validation
        source = f"{data.name} training split, {len(rows):,} samples held out with clean labels"
        return cls(source, data.images[rows], data.labels[rows], (data.test_images, data.test_labels))


@dataclass(frozen=True, eq=False)
class Measured:
    """What a manifest says of a graph."""

    embedding_size: int
    calibration: Calibration
    statistics: EmbeddingStatistics
    metrics: dict[str, float]
    """On the test images, and as ``validation_*`` on the others."""


def measure(graph: Path, held_out: HeldOut, groups: SimilarityGroups) -> Measured:
    """Run a graph in ONNX Runtime, calibrate it on its own outputs and measure it."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    logits, embeddings = run_graph(session, held_out.images)
    calibration = calibrate(logits, held_out.labels, groups, source=held_out.source)
    parts = {"validation_": (logits, held_out.labels)}
    if held_out.test is not None:
        images, labels = held_out.test
        parts = {"": (run_graph(session, images)[0], labels)} | parts
    metrics = {
        f"{part}{figure}": round(value, 5)
        for part, (outputs, truth) in parts.items()
        for figure, value in evaluate(
            class_probabilities(outputs, groups, calibration.temperature), truth, groups
        ).items()
    }
    statistics = EmbeddingStatistics.fit(embeddings, held_out.labels, len(groups.classes))
    return Measured(embeddings.shape[1], calibration, statistics, metrics)


def run_graph(
    session: onnxruntime.InferenceSession, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits ``[N, K]`` and embeddings ``[N, D]`` of uint8 images ``[N, H, W, C]``."""
    outputs = [session.run(["logits", "embedding"], {"images": batch}) for batch in batches(images)]
    logits, embeddings = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return logits, embeddings


def batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Images ``[N, H, W, C]`` in parts that are small enough for large pictures, too."""
    for start in range(0, len(images), _BATCH):
        yield np.ascontiguousarray(images[start : start + _BATCH])
