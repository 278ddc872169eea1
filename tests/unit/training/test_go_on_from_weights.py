"""A run that starts from the weights of another, as the error of a diverged loss advises."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from training.data import DataSet
from training.noise import Noise
from training.recipe import Recipe
from training.run import Run
from training.train_run import RunChoices, train_run


def test_a_run_starts_where_another_ended(columns: DataSet, make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """From the weights of a run on grey images a slow one is as good at once, its pixels normalised alike."""
    choices = RunChoices(
        noise=Noise("none"), trusted=40, protocol="verified", loss="lp", confidence_labels=None, seed=0
    )
    *_, last = train_run(Run(tmp_path / "first"), columns, make_recipe(epochs=6), choices)
    onwards = replace(choices, weights=str(tmp_path / "first" / "weights.safetensors"))
    (first,) = train_run(Run(tmp_path / "then"), columns, make_recipe(epochs=1, learning_rate=1e-6), onwards)
    assert last["validation_accuracy"] > 0.8  # chance is 0.25
    assert first["validation_loss"] == pytest.approx(last["validation_loss"], abs=0.05)
    assert Run(tmp_path / "then").config.pixel_mean == Run(tmp_path / "first").config.pixel_mean
