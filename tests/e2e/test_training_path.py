"""The whole path on real data: train, stop, go on, evaluate, export, classify."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from labels.fashion_mnist import find_fashion_mnist

RECIPE = """
epochs = 12
batch_size = {batch_size}
trusted_share = 0.3
learning_rate = 0.1
momentum = [0.85, 0.95]
weight_decay = 5e-4
ema = 0.9
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
    (tmp_path / "tiny.toml").write_text(RECIPE.format(batch_size=500))
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


def test_from_a_label_file_to_an_answer(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """Training on the kit's reviewed labels is stopped by SIGTERM, goes on, and becomes a model that classifies."""
    (tmp_path / "tiny.toml").write_text(RECIPE.format(batch_size=50))
    command = [
        "train",
        "tiny.toml",
        "--labels",
        kit.path / "reviewed.csv",
        "--images",
        kit.images,
        "--groups",
        kit.groups,
    ]
    command += ["--out", "run", "--device", "cpu", "--resume", "--json"]
    with lookalike.process(*command, settings=ONE_CORE) as process:
        for line in process.stderr:
            if line.startswith("epoch 2/12"):
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM, line
    assert line.startswith("lookalike: stopped by SIGTERM after epoch")
    assert line.endswith("the same command with --resume goes on from there\n")
    assert (tmp_path / "run" / "checkpoint.pt").exists()

    resumed = lookalike(*command, settings=ONE_CORE)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["epoch"] == 12
    epochs = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [each["epoch"] for each in epochs] == list(range(1, 13))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json", "training_labels.npz", "metrics.jsonl", "tensorboard", "weights.safetensors",
    }  # fmt: skip

    exported = lookalike("export", "run", "--name", "mine", "--models", "store", "--json")
    assert exported.returncode == 0, exported.stderr
    metrics = json.loads(exported.stdout)["metrics"]
    assert 0.2 < metrics["validation_accuracy"] <= metrics["validation_group_accuracy"]  # 0.1 is chance
    answer = lookalike("classify", kit.image(0), "--models", "store", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["model"] == {"name": "mine", "version": "1"}
