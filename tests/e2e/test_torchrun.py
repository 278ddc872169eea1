"""Several processes train as one that accumulates their parts."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

TRAIN = """
import sys
import numpy as np, torch
from models.confidence_labels import from_groups
from models.groups import SimilarityGroups
from safetensors.torch import save_file
from training.devices import make_fabric
from training.feeds import ResidentImages
from training.loop import train
from training.losses import make_loss
from training.networks import ResNet
from training.normalisation import Normalisation
from training.recipe import Recipe
from training.training_set import TrainingLabels

out, accumulate = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
recipe = Recipe.model_validate(dict(
    network=dict(widths=(4, 8), stem_stride=1), epochs=2, batch_size=16, trusted_share=0.25, learning_rate=0.05,
    momentum=(0.85, 0.95), weight_decay=5e-4, ema=0.9, max_shift=1, mirror=True, mixup=0.3, accumulate=accumulate,
    own_untrusted=0.6, own_trusted=0.95))
rng = np.random.default_rng(0)
given = np.arange(96) % 3
images = rng.integers(0, 256, (96, 8, 8, 1), dtype=np.uint8)
labels = TrainingLabels(np.arange(96), given, np.arange(96) < 24, given)
torch.manual_seed(0)
network = ResNet(recipe.network, channels=1, classes=3)
fabric = make_fabric("cpu")
for epoch in train(
    network, make_loss("lp", from_groups(SimilarityGroups.from_lists("abc", ["ab"]))),
    ResidentImages(images, fabric.device), labels, recipe, normalisation=Normalisation.of(images),
    generator=torch.Generator().manual_seed(0), fabric=fabric,
    evaluate=lambda network: {"seen_by": float(fabric.global_rank)},
):
    assert epoch["seen_by"] == 0
save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, f"{out}-{fabric.global_rank}")
print(fabric.global_rank, fabric.world_size, round(epoch["loss"], 6))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(TRAIN)
    return path


def test_two_processes_train_like_one_that_accumulates(script: Path, tmp_path: Path) -> None:
    """Under torchrun both of two processes end with the weights of one that goes through the same halves in turn."""
    one = [sys.executable, str(script), str(tmp_path / "one"), "2"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    two = [*torchrun, str(script), str(tmp_path / "two"), "1"]
    for command in (one, two):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    expected = load_file(tmp_path / "one-0")
    first, second = load_file(tmp_path / "two-0"), load_file(tmp_path / "two-1")
    learnt = [name for name in expected if "running" not in name and "num_batches" not in name]
    assert learnt
    for name in learnt:
        torch.testing.assert_close(first[name], expected[name], atol=1e-5, rtol=1e-4)
    # Running statistics are of each process's own batches, then averaged: alike in both, not quite those of one.
    for name in first:
        assert torch.equal(first[name], second[name]), name
