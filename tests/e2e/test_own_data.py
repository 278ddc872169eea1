"""A person's own label file: train, stop, go on, publish, classify."""

import csv
import json
import signal
from pathlib import Path
from typing import Any

import pytest

RECIPE = """
epochs = 12
batch_size = 50
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


@pytest.fixture
def reviewed(kit: Any, tmp_path: Path) -> Path:
    """The kit's label file as a review leaves it: every other row verified, with what it said before."""
    with kit.labels.open() as given, kit.truth.open() as truth, (tmp_path / "labels.csv").open("w") as out:
        right = {row["image"]: row["label"] for row in csv.DictReader(truth)}
        writer = csv.writer(out)
        writer.writerow(["image", "label", "trusted", "original_label"])
        for number, row in enumerate(csv.DictReader(given)):
            verified = number % 2 == 0
            label = right[row["image"]] if verified else row["label"]
            writer.writerow([row["image"], label, str(verified).lower(), row["label"] if verified else ""])
    return tmp_path / "labels.csv"


def test_from_a_label_file_to_an_answer(lookalike: Any, kit: Any, reviewed: Path, tmp_path: Path) -> None:
    """Training on a label file is stopped by SIGTERM, goes on, and becomes a model that classifies."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    command = ["train", "tiny.toml", "--labels", reviewed, "--images", kit.images, "--groups", kit.groups]
    command += ["--out", "run", "--device", "cpu", "--resume", "--json"]
    process = lookalike.process(*command, settings=ONE_CORE)
    for line in process.stderr:
        if line.startswith("epoch 2/12"):
            process.send_signal(signal.SIGTERM)
    process.stdout.read()
    assert process.wait() == 128 + signal.SIGTERM, line
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


def test_labels_come_with_images(lookalike: Any, kit: Any) -> None:
    """A label file without a place for its images is wrong use."""
    alone = lookalike("train", "small", "--labels", kit.labels)
    assert alone.returncode == 2
    assert "go together" in alone.stderr
