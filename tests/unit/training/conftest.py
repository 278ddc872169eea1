"""Tiny things to train with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from labels.splits import split
from models.confidence_labels import from_groups
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec
from training.data import DataSet
from training.devices import Precision, make_fabric
from training.feeds import ResidentImages
from training.loop import train
from training.losses import LossName, make_loss
from training.networks import NetworkSpec, ResNet
from training.normalisation import Normalisation
from training.recipe import Recipe
from training.state import Figures
from training.training_set import TrainingLabels

GROUPS = SimilarityGroups.from_lists("abc", ["ab"])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Leave the other cores alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_recipe() -> Callable[..., Recipe]:
    """Make a recipe for a tiny network with some fields of its own."""

    def make(**fields: Any) -> Recipe:
        defaults: dict[str, Any] = {
            "network": NetworkSpec(widths=(4, 8), blocks=1, stem_stride=1),
            "epochs": 2,
            "batch_size": 16,
            "trusted_share": 0.25,
            "learning_rate": 0.1,
            "momentum": (0.85, 0.95),
            "weight_decay": 0.0,
            "max_shift": 0,
            "mirror": False,
            "own_untrusted": 0.6,
            "own_trusted": 0.95,
        }
        return Recipe.model_validate(defaults | fields)

    return make


@pytest.fixture
def make_labels() -> Callable[..., TrainingLabels]:
    """Make training labels from given classes and who is trusted."""

    def make(given: ArrayLike, trusted: ArrayLike) -> TrainingLabels:
        classes = np.asarray(given, dtype=np.int64)
        known = np.broadcast_to(np.asarray(trusted, dtype=bool), classes.shape).copy()
        return TrainingLabels(np.arange(len(classes)), classes, known, classes)

    return make


@pytest.fixture
def columns() -> DataSet:
    """Four classes in two pairs, each class a bright column."""
    rng = np.random.default_rng(0)
    labels = np.arange(480) % 4
    images = rng.integers(0, 90, (480, 8, 8, 1)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 2] += 120
    return DataSet(
        "columns",
        tuple("abcd"),
        SimilarityGroups.from_lists("abcd", ["ab", "cd"]),
        InputSpec(height=8, width=8, channels=1, resize=8),
        images,
        labels,
        split(labels, validation=40, reserve=40),
        images[:80],
        labels[:80],
    )


def separable(n: int = 96) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grey images of 8 x 8, noise with a bright patch whose place is the class, one of three."""
    truth = np.arange(n) % 3
    images = np.random.default_rng(0).normal(80, 12, (n, 8, 8, 1))
    for image, label in zip(images, truth, strict=True):
        image[2 * label : 2 * label + 3, 2:6] += 80
    return images.clip(0, 255).astype(np.uint8), truth


@dataclass
class Training:
    """A small training: a network of the recipe's, and the separable images."""

    recipe: Recipe
    labels: TrainingLabels
    loss: LossName | nn.Module = "lp"
    seed: int = 0
    checkpoint: Path | None = None
    evaluate: Callable[[nn.Module], Figures] | None = None
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.network = ResNet(self.recipe.network, channels=1, classes=3)

    def make_loss(self) -> nn.Module:
        """The loss that it was asked for."""
        return self.loss if isinstance(self.loss, nn.Module) else make_loss(self.loss, from_groups(GROUPS))

    def epochs(self) -> Iterator[Figures]:
        """Train; the figures of the epochs."""
        fabric = make_fabric("cpu", self.precision)
        images = separable(len(self.labels.given))[0]
        return train(
            self.network,
            self.make_loss(),
            ResidentImages(images, fabric.device),
            self.labels,
            self.recipe,
            normalisation=Normalisation.of(images),
            generator=torch.Generator().manual_seed(self.seed),
            fabric=fabric,
            evaluate=self.evaluate,
            checkpoint=self.checkpoint,
        )

    def run(self) -> list[Figures]:
        """Train to the end."""
        return list(self.epochs())

    def accuracy(self) -> float:
        """On the separable images themselves."""
        images, truth = separable(len(self.labels.given))
        inputs = Normalisation.of(images)(torch.from_numpy(images).permute(0, 3, 1, 2))
        with torch.inference_mode():
            found = self.network.eval()(inputs)[0].argmax(1).numpy()
        return float((found == truth).mean())

    def ends_as(self, other: "Training") -> bool:
        """Whether weights and running statistics equal the other's bit for bit."""
        mine, theirs = self.network.state_dict(), other.network.state_dict()
        return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture
def start(make_recipe: Callable[..., Recipe], make_labels: Callable[..., TrainingLabels]) -> Callable[..., Training]:
    """Prepare a training on ``n`` separable images with right labels, of which some are trusted."""

    def prepare(n: int = 96, *, trusted: ArrayLike | None = None, recipe: Any = None, **fields: Any) -> Training:
        known = np.arange(n) < n // 3 if trusted is None else trusted
        given = fields.pop("given", np.arange(n) % 3)
        return Training(make_recipe(**(recipe or {})), make_labels(given, known), **fields)

    return prepare
