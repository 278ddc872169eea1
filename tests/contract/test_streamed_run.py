"""A data set that is read from its files trains and is published like one in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labels.images.folder import FolderSource
from models.repository import ModelRepository, verify
from training.data.image_folder import load_image_folder
from training.data.pictures import FilePictures
from training.export import export
from training.noise import Noise
from training.recipe import Recipe
from training.run import Run
from training.train_run import RunChoices, train_run

RECIPE = Recipe.model_validate(
    {
        "network": {"widths": (4, 8)},
        "epochs": 2,
        "batch_size": 16,
        "trusted_share": 0.25,
        "learning_rate": 0.1,
        "momentum": (0.85, 0.95),
        "weight_decay": 0.0,
        "ema": 0.9,
        "max_shift": 1,
        "mirror": True,
        "early_stop": {"share": 0.2, "patience": 2},
        "own_untrusted": 0.6,
        "own_trusted": 0.95,
    }
)
CHOICES = RunChoices(
    noise=Noise.parse("symmetric:0.2"), trusted=20, protocol="verified", loss="lp", confidence_labels=None, seed=3
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """40 training and 5 test pictures of each of two classes, one of them brighter."""
    for part, n in (("train", 40), ("val", 5)):
        for k, name in enumerate(("dark", "light")):
            folder = tmp_path / "data" / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = np.random.default_rng(1000 * k + i).integers(0, 156, (20, 24, 3)) + 100 * k
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "data"


def test_a_streamed_run_is_that_from_memory(place: Path, tmp_path: Path) -> None:
    """From files training ends with the weights that it ends with from memory, and what is published says the same."""
    resident = load_image_folder(place, size=12, bad_images="stop")
    source = FolderSource(place)
    names = {part: sorted(n for n in source.listing().names if n.startswith(part)) for part in ("train", "val")}
    streamed = replace(
        resident,
        images=FilePictures(source, names["train"], resident.input),
        test_images=FilePictures(source, names["val"], resident.input),
    )
    models, figures = [], []
    for name, data in (("memory", resident), ("files", streamed)):
        run = Run(tmp_path / name)
        figures.append([each["held_out_loss"] for each in train_run(run, data, RECIPE, CHOICES)])
        models.append((run.load().state_dict(), export(run, data, ModelRepository(tmp_path / "models"), name)))
    (weights, one), (others, other) = models
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert figures[0] == figures[1]
    verify(other)
    assert one.manifest.metrics == other.manifest.metrics
    assert one.manifest.files["training_pixels.bin"] == other.manifest.files["training_pixels.bin"]
