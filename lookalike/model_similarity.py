"""How similar the classes of a labelled data set look to models."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels.images.opening import open_image_source
from labels.label_file import read_label_file
from labels.resolving import resolve_labels
from models.distribution import class_probabilities
from models.errors import LookalikeError
from models.images import DEFAULT_MAX_PIXELS
from models.similarity import mean_similarity, similarity_from_predictions
from service.inference.classifier import Classifier
from service.look import look


class SimilarityError(LookalikeError):
    """The models and the labelled images don't give a similarity; the message says why."""


def similarity_by_models(labels: Path, images: Path, classifiers: Sequence[Classifier]) -> NDArray[np.float64]:
    """Mean prediction for each label, ``[K, K]``, averaged over models weighted by their accuracies on these labels.

    Raises ``SimilarityError`` where the models know different classes, or a class has no readable image.
    """
    for classifier in classifiers:
        classifier.must_classify()
    classes = classifiers[0].manifest.classes
    file = read_label_file(labels)
    given = resolve_labels(file, classes).indices
    similarities, accuracies = [], []
    for classifier in classifiers:
        manifest = classifier.manifest
        if manifest.classes != classes:
            raise SimilarityError(f"{manifest.name}@{manifest.version} knows other classes than the first model")
        known = np.flatnonzero(given >= 0)
        names = [file.images[row] for row in known]
        with open_image_source(images) as source, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            looks = look(names, source, classifier, max_pixels=DEFAULT_MAX_PIXELS, threads=threads)
        seen = given[known[looks.seen]]
        missing = np.setdiff1d(np.arange(len(classes)), seen)
        if missing.size:
            raise SimilarityError(f"no readable image is labelled {classes[missing[0]]!r}; each class needs some")
        probabilities = class_probabilities(looks.logits, manifest.similarity_groups, manifest.temperature)
        similarities.append(similarity_from_predictions(probabilities, seen))
        accuracies.append(float(np.mean(probabilities.argmax(axis=1) == seen)))
    return mean_similarity(similarities, accuracies)
