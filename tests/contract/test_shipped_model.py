"""The shipped model keeps what its answers promise, on the test split of Fashion-MNIST."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from labels.fashion_mnist import find_fashion_mnist, read_fashion_mnist
from models.conformal import prediction_sets
from models.distribution import class_probabilities, group_probabilities
from models.manifest import Calibration
from models.metrics import calibration_error
from models.preprocessing import to_input
from models.repository import SHIPPED, ModelRepository
from service.inference.classifier import Classifier


@dataclass(frozen=True)
class Seen:
    """What the shipped model makes of the 10,000 images of the test split."""

    classifier: Classifier
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    embeddings: NDArray[np.float32]

    @property
    def calibration(self) -> Calibration:
        assert self.classifier.manifest.calibration is not None
        return self.classifier.manifest.calibration


@pytest.fixture(scope="module")
def seen() -> Seen:
    data = read_fashion_mnist(find_fashion_mnist(None))
    classifier = Classifier(ModelRepository(SHIPPED).resolve(), device="cpu")
    manifest = classifier.manifest
    pixels = np.stack([to_input(image, manifest.input) for image in data.test_images])
    logits, embeddings = (
        np.concatenate(parts)
        for parts in zip(*(classifier.infer(batch) for batch in np.split(pixels, 100)), strict=True)
    )
    p = class_probabilities(logits, manifest.similarity_groups, manifest.temperature)
    return Seen(classifier, data.test_labels, p, embeddings)


def test_sets_hold_the_true_class_as_often_as_they_say(seen: Seen) -> None:
    """No set is empty, coverage is within a point of nominal at .95 and .99, and nowhere more than a point below."""
    conformal = seen.calibration.conformal
    for level, threshold in zip(conformal.levels, conformal.thresholds, strict=True):
        sets = prediction_sets(seen.probabilities, threshold)
        coverage = sets[np.arange(len(sets)), seen.truth].mean()
        assert sets.any(axis=1).all()
        assert coverage >= level - 0.01
        if level in (0.95, 0.99):
            assert coverage <= level + 0.01


def test_probabilities_are_right_as_often_as_they_say(seen: Seen) -> None:
    """The calibration error of the class, of the group, and of the share inside the group is at most 1.5 points."""
    groups, p = seen.classifier.manifest.similarity_groups, seen.probabilities
    rows, top = np.arange(len(p)), p.argmax(axis=1)
    mass = group_probabilities(p, groups)[rows, top]
    right, inside = top == seen.truth, groups.membership[top, seen.truth]
    assert calibration_error(p[rows, top], right) <= 0.015
    assert calibration_error(mass, inside) <= 0.015
    assert calibration_error((p[rows, top] / mass)[inside], right[inside]) <= 0.015


def test_clothes_rarely_alarm_and_digits_mostly_do(seen: Seen) -> None:
    """At most one of fifty ordinary images is called an outlier, of handwritten digits more than half, noise always."""
    classifier, spec = seen.classifier, seen.classifier.manifest.input
    assert classifier.statistics.is_outlier(seen.embeddings).mean() <= 0.02
    digits = np.stack([to_input((each * 15).astype(np.uint8), spec) for each in load_digits().images[:500]])
    assert classifier.statistics.is_outlier(classifier.infer(digits)[1]).mean() > 0.5
    noise = np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1), dtype=np.uint8)
    assert classifier.statistics.is_outlier(classifier.infer(noise)[1]).all()
