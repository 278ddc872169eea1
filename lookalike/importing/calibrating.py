"""Calibrate an imported classifier on a label file with clean labels."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labels.images.opening import open_image_source
from labels.label_file import read_label_file
from labels.resolving import resolve_labels
from lookalike.importing.errors import ModelImportError
from models.calibration import calibrate, fit_temperature
from models.distribution import class_probabilities
from models.embedding import EmbeddingStatistics
from models.groups import SimilarityGroups
from models.images import DEFAULT_MAX_PIXELS
from models.manifest import Calibration
from models.metrics import evaluate
from models.similarity import groups_from_similarity, similarity_from_predictions
from service.inference.classifier import Classifier
from service.look import look

FEW = 500
"""Images below which temperature and quantiles are rough."""
LARGEST_EMBEDDING = 8192
"""The covariance of more numbers than this takes gigabytes."""


@dataclass(frozen=True)
class Calibrated:
    """What the label file told."""

    calibration: Calibration
    groups: SimilarityGroups
    statistics: EmbeddingStatistics
    metrics: dict[str, float]
    warnings: list[str]


def calibrate_imported(
    classifier: Classifier, labels: Path, images: Path, groups: SimilarityGroups | None
) -> Calibrated:
    """Look at the images and fit temperature, confusion counts, quantiles and embedding statistics.

    Without ``groups`` they follow from the predictions (``models.similarity``). Raises ``ModelImportError`` where a
    class has fewer than two images that can be read.
    """
    classes = classifier.manifest.classes
    if classifier.manifest.embedding_size > LARGEST_EMBEDDING:
        raise ModelImportError(
            f"the embedding has {classifier.manifest.embedding_size:,} numbers, more than {LARGEST_EMBEDDING:,}: name "
            "a smaller tensor by --embedding"
        )
    file = read_label_file(labels)
    given = resolve_labels(file, classes).indices
    known = np.flatnonzero(given >= 0)
    with open_image_source(images) as source, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        names = [file.images[row] for row in known]
        looks = look(names, source, classifier, max_pixels=DEFAULT_MAX_PIXELS, threads=threads) if names else None
    truth = given[known[looks.seen]] if looks else given[:0]
    count = np.bincount(truth, minlength=len(classes))
    if looks is None or count.min() < 2:
        rare = classes[int(count.argmin())]
        raise ModelImportError(
            f"{labels.name}: {count.min()} readable images are labelled {rare!r}: calibration needs at least two "
            f"images of every class ({len(truth):,} of {len(given):,} rows could be used)"
        )
    if groups is None:
        alone = SimilarityGroups.singletons(classes)
        p = class_probabilities(looks.logits, alone, fit_temperature(looks.logits, truth, alone))
        groups = groups_from_similarity(classes, similarity_from_predictions(p, truth))
    calibration = calibrate(looks.logits, truth, groups, source=f"{labels.name}, {len(truth):,} images")
    p = class_probabilities(looks.logits, groups, calibration.temperature)
    return Calibrated(
        calibration=calibration,
        groups=groups,
        statistics=EmbeddingStatistics.fit(looks.embeddings, truth, len(classes)),
        metrics={f"validation_{name}": round(value, 5) for name, value in evaluate(p, truth, groups).items()},
        warnings=_warnings(labels, len(truth), len(given)),
    )


def _warnings(labels: Path, used: int, rows: int) -> list[str]:
    warnings = []
    if used < rows:
        warnings.append(f"{labels.name}: {rows - used:,} of {rows:,} rows have an unknown label or no readable image")
    if used < FEW:
        warnings.append(f"calibrated on {used:,} images only: below {FEW} its promises are rough")
    return warnings
