"""The whole path on real data: train, evaluate, export, evaluate, classify."""

import json
from pathlib import Path
from typing import Any

import pytest

from labels.fashion_mnist import find_fashion_mnist

RECIPE = """
epochs = 16
batch_size = 500
trusted_share = 0.2
learning_rate = 0.1
momentum = [0.85, 0.95]
weight_decay = 5e-4
max_shift = 1
mirror = false
own_untrusted = 0.6
own_trusted = 0.95

[network]
widths = [8, 16]
blocks = 1
stem_stride = 2
"""

ONE_CORE = {"OMP_NUM_THREADS": "1"}
"""Threads that wait for one another on busy cores are slower than one."""


@pytest.fixture
def data() -> Path:
    """Fashion-MNIST; where it is missing the test fails."""
    return find_fashion_mnist(None)


def test_from_a_recipe_to_an_answer(lookalike: Any, kit: Any, data: Path, tmp_path: Path) -> None:
    """A recipe trains a network that is exported, served by name, and evaluated alike before and after export."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    options = ["--noise", "asymmetric:0.3", "--trusted", 1000, "--epochs", 1, "--seed", 3]
    trained = lookalike("train", "tiny.toml", *options, "--data", data, "--out", "run", settings=ONE_CORE)
    assert trained.returncode == 0, trained.stderr
    assert "epoch 1" in trained.stderr
    again = lookalike("train", "tiny.toml", *options, "--out", "run")
    assert again.returncode == 1
    assert "holds a run already" in again.stderr

    of_run = lookalike("evaluate", "run", "--json")
    assert of_run.returncode == 0, of_run.stderr
    figures = json.loads(of_run.stdout)
    assert figures.keys() >= {"accuracy", "nll", "ece", "group_accuracy"}
    assert 0.3 < figures["accuracy"] <= figures["group_accuracy"] <= 1  # 0.1 is chance

    exported = lookalike("export", "run", "--name", "tiny", "--models", "store")
    assert exported.returncode == 0, exported.stderr
    assert "published tiny@1" in exported.stdout
    assert lookalike("models", "verify", "--models", "store").stdout == "tiny@1  ok\n"

    of_model = lookalike("evaluate", "tiny@1", "--models", "store", "--json")
    assert of_model.returncode == 0, of_model.stderr
    published = json.loads(of_model.stdout)
    assert published["group_accuracy"] == pytest.approx(figures["group_accuracy"], abs=0.1)
    assert published["nll"] < figures["nll"]  # calibration is what export adds

    answer = lookalike("classify", kit.image(0), "--models", "store", "--model", "tiny", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["model"] == {"name": "tiny", "version": "1"}
