"""What a graph does on held-out images with clean labels: how it is calibrated, and its figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.calibration import calibrate
from models.distribution import Temperature, class_probabilities
from models.embedding import EmbeddingStatistics
from models.groups import SimilarityGroups
from models.manifest import Calibration
from models.metrics import evaluate
from training.data import DataSet
from training.data.pictures import Pictures, subset

_BATCH = 64


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Images uint8 ``[n, H, W, C]`` with their true classes ``[n]``, which took no part in training.

    The test images, where there are any, serve for figures alone.
    """

    source: str
    """In words, as the manifest says it."""
    images: Pictures
    labels: NDArray[np.integer]
    test: tuple[Pictures, NDArray[np.integer]] | None = None

    @classmethod
    def of(cls, data: DataSet) -> Self:
        """The validation part of a data set, and its test split; either may be empty."""
        rows = data.split.validation
        what = "held out with clean labels" if data.trust is None else "held out of those with verified labels"
        source = f"{data.name} training split, {len(rows):,} samples {what}"
        test = (data.test_images, data.test_labels) if len(data.test_labels) else None
        return cls(source, subset(data.images, rows), data.labels[rows], test)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a manifest says of a graph."""

    embedding_size: int
    calibration: Calibration | None
    """None, like the statistics, where no samples were held out."""
    statistics: EmbeddingStatistics | None
    metrics: dict[str, float]
    """On the test images, where there are any, and as ``validation_*`` on the others."""


def measure(graph: Path, held_out: HeldOut, groups: SimilarityGroups) -> Measured:
    """Run a graph in ONNX Runtime, calibrate it on its own outputs and measure it."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    size = session.get_outputs()[1].shape[1]
    calibration, statistics, temperature, parts = None, None, Temperature.single(1.0), {}
    if len(held_out.labels):
        logits, embeddings = run_graph(session, held_out.images)
        calibration = calibrate(logits, held_out.labels, groups, source=held_out.source)
        statistics = EmbeddingStatistics.fit(embeddings, held_out.labels, len(groups.classes))
        temperature = calibration.temperature
        parts = {"validation_": (logits, held_out.labels)}
    if held_out.test is not None:
        images, labels = held_out.test
        parts = {"": (run_graph(session, images)[0], labels)} | parts
    metrics = {
        f"{part}{figure}": round(value, 5)
        for part, (outputs, truth) in parts.items()
        for figure, value in evaluate(class_probabilities(outputs, groups, temperature), truth, groups).items()
    }
    return Measured(size, calibration, statistics, metrics)


def run_graph(
    session: onnxruntime.InferenceSession, images: Pictures
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits ``[N, K]`` and embeddings ``[N, D]`` of uint8 images ``[N, H, W, C]``."""
    outputs = [session.run(["logits", "embedding"], {"images": batch}) for batch in batches(images)]
    logits, embeddings = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return logits, embeddings


def batches(images: Pictures) -> Iterator[NDArray[np.uint8]]:
    """Images ``[N, H, W, C]`` in parts that are small enough for large pictures, too."""
    for start in range(0, len(images), _BATCH):
        yield np.ascontiguousarray(images[start : start + _BATCH])
