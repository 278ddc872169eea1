"""Fashion-MNIST as the shipped model sees it, kept in ``runs/bench-audit`` between runs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labels import fashion_mnist
from labels.splits import split
from models.distribution import class_probabilities
from models.groups import SimilarityGroups
from models.manifest import Manifest
from models.preprocessing import to_input
from models.repository import SHIPPED, ModelRepository
from service.inference.classifier import Classifier

HELD_OUT = 10_000
"""Images in the validation part, and in the reserve."""
_CACHE = Path(__file__).resolve().parents[2] / "runs" / "bench-audit"


@dataclass(frozen=True)
class Seen:
    """n images that the shipped model was not trained on, with their true classes."""

    images: NDArray[np.uint8]
    """``[n, 28, 28, 1]``."""
    truth: NDArray[np.intp]
    """``[n]``; Fashion-MNIST's own labels, which are not free of errors."""
    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    def probabilities(self, manifest: Manifest) -> NDArray[np.float64]:
        """Calibrated by the manifest, ``[n, K]``."""
        return class_probabilities(self.logits, manifest.similarity_groups, manifest.temperature)


def shipped() -> Manifest:
    """The shipped model's manifest."""
    return ModelRepository(SHIPPED).resolve().manifest


def groups() -> SimilarityGroups:
    """The pairs of Fashion-MNIST."""
    return SimilarityGroups.from_lists(fashion_mnist.CLASSES, fashion_mnist.PAIRS)


def part(name: str) -> Seen:
    """``reserve`` and ``validation`` of the training split, or the ``test`` split."""
    path = _CACHE / f"{name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **_look(name))
    with np.load(path, allow_pickle=False) as arrays:
        return Seen(**arrays)


def _look(name: str) -> dict[str, NDArray[np.generic]]:
    data = fashion_mnist.read_fashion_mnist(fashion_mnist.find_fashion_mnist(None))
    images, truth = data.test_images, data.test_labels
    if name != "test":
        rows = getattr(split(data.train_labels, validation=HELD_OUT, reserve=HELD_OUT), name)
        images, truth = data.train_images[rows], data.train_labels[rows]
    classifier = Classifier(ModelRepository(SHIPPED).resolve(), device="cpu")
    pixels = np.stack([to_input(image, classifier.manifest.input) for image in images])
    seen = [classifier.infer(pixels[start : start + 256]) for start in range(0, len(pixels), 256)]
    return {
        "images": pixels,
        "truth": truth.astype(np.intp),
        "logits": np.concatenate([logits for logits, _ in seen]),
        "embeddings": np.concatenate([embeddings for _, embeddings in seen]),
    }
