"""The run folder."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.confidence_labels import from_groups
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec
from training.networks import ResNet
from training.recipe import Recipe
from training.run import Run, RunConfig, RunError, library_versions
from training.training_set import TrainingLabels

GROUPS = SimilarityGroups.from_lists("abc", ["ab"])


@pytest.fixture
def config(make_recipe: Callable[..., Recipe]) -> RunConfig:
    return RunConfig(
        data_set="made up",
        classes=GROUPS.classes,
        groups=GROUPS.members(),
        input=InputSpec(height=8, width=8, channels=1, resize=8),
        confidence_labels=from_groups(GROUPS),
        noise="asymmetric:0.4",
        protocol="paper",
        trusted=3,
        loss="lp",
        recipe=make_recipe(),
        pixel_mean=(100.5,),
        pixel_std=(60.25,),
        seed=7,
        commit="unknown",
        libraries=library_versions(),
    )


@pytest.fixture
def labels() -> TrainingLabels:
    return TrainingLabels(np.array([5, 3, 9]), np.array([0, 1, 2]), np.array([True, False, False]), np.array([1, 1, 2]))


def test_a_run_can_be_read_back(tmp_path: Path, config: RunConfig, labels: TrainingLabels) -> None:
    """The folder gives back the configuration and the labels that the run was started with."""
    run = Run(tmp_path / "runs" / "one")
    run.open(config, labels)
    assert run.config == config
    np.testing.assert_array_equal(run.config.similarity_groups.membership, GROUPS.membership)
    for field in ("index", "given", "trusted", "original"):
        np.testing.assert_array_equal(getattr(run.labels, field), getattr(labels, field))
    assert not list(run.path.glob("*.part"))


def test_a_run_is_never_overwritten(tmp_path: Path, config: RunConfig, labels: TrainingLabels) -> None:
    """Starting in a folder that holds a run is refused, and the run there stays as it is."""
    run = Run(tmp_path)
    run.open(config, labels)
    with pytest.raises(RunError, match="holds a run already"):
        run.open(config.model_copy(update={"seed": 8}), labels)
    assert run.config.seed == 7


def test_weights_survive_the_folder(tmp_path: Path, config: RunConfig, labels: TrainingLabels) -> None:
    """A saved network gives the same answers when loaded, ready for use."""
    run = Run(tmp_path)
    run.open(config, labels)
    network = ResNet(config.recipe.network, channels=1, classes=3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network(torch.randn(8, 1, 8, 8))  # moves the running statistics, which must be saved as well
    run.finish(network)
    images = torch.randn(4, 1, 8, 8)
    with torch.inference_mode():
        again = run.load()
        assert not again.training
        torch.testing.assert_close(again(images), network.eval()(images))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "training_labels.npz",
        "weights.safetensors",
    ]


def test_an_unfinished_run_says_so(tmp_path: Path, config: RunConfig, labels: TrainingLabels) -> None:
    """Exporting a run that has not finished is an error that says so."""
    run = Run(tmp_path)
    run.open(config, labels)
    with pytest.raises(RunError, match=r"has no weights\.safetensors: the run did not finish"):
        run.load()


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    """Any other folder, or a broken configuration, is an error that names the file."""
    with pytest.raises(RunError, match=r"is no run folder: config\.json"):
        _ = Run(tmp_path).config
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match=r"config\.json: data_set: Field required"):
        _ = Run(tmp_path).config


def test_metrics_are_kept_line_by_line(tmp_path: Path) -> None:
    """Each epoch's metrics are a line of JSON."""
    epochs = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    Run(tmp_path).log(epochs)
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == epochs
