"""Tiny things to train with."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike

from training.networks import NetworkSpec
from training.recipe import Recipe
from training.training_set import TrainingLabels


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
