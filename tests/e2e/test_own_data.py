"""A person's own label file: train, stop, go on, publish, classify."""

import json
import signal
from pathlib import Path
from typing import Any

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


def test_from_a_label_file_to_an_answer(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """Training on the kit's reviewed labels is stopped by SIGTERM, goes on, and becomes a model that classifies."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
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
