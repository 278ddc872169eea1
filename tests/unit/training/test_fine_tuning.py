"""Tables 4 and 5: what published weights become, on small data in the layouts of ImageNet and Food-101N."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from safetensors.torch import load_file, save_file

from training.data.source import DataSource
from training.devices import make_fabric
from training.experiments.cells import Result, Results
from training.experiments.errors import ExperimentError
from training.experiments.fill_table import fill_table, write_table
from training.experiments.fine_tuning import own_predictions, seen_by_label
from training.experiments.table import Table
from training.experiments.tables import TABLES
from training.losses.log_projection import LogProjection
from training.networks import NetworkSpec, make_network
from training.recipe import Recipe
from training.training_set import TrainingLabels

RECIPE = """
epochs = 2
batch_size = 8
trusted_share = 0.0
learning_rate = 0.05
momentum = [0.9, 0.9]
weight_decay = 0.0
max_shift = 0
mirror = true
crop_area = [0.5, 1.0]
own_untrusted = 1.0
own_trusted = 1.0

[network]
widths = [4, 8]

[schedule]
kind = "plateau"
watch = "validation_loss"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """ImageNet's layout: 24 training and 5 validation pictures of each of three classes, red, green or blue."""
    for part, n in (("train", 24), ("val", 5)):
        for k, name in enumerate(("n01440764", "n01443537", "n01484850")):
            folder = tmp_path / "imagenet" / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = np.random.default_rng(100 * k + i).integers(0, 120, (20, 24, 3))
                pixels[:, :, k] += 100
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{part}_{i}.JPEG")
    return tmp_path / "imagenet"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Random weights for three classes."""
    torch.manual_seed(4)
    path = tmp_path / "weights.safetensors"
    save_file(make_network(NetworkSpec(widths=(4, 8)), channels=3, classes=3).state_dict(), path)
    return path


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A small network, and the plateau schedule of the paper's recipe."""
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def fabric() -> Fabric:
    """This process, on the CPU."""
    return make_fabric("cpu")


def filled(
    table: Table, place: Path, recipe: Path, weights: Path | None, fabric: Fabric
) -> tuple[dict[str, Result], Results]:
    file = Results(place / "results" / "table.jsonl")
    source = DataSource(name="imagefolder", folder=place, size=16)
    results = fill_table(
        table,
        file,
        source,
        recipe=str(recipe),
        weights=None if weights is None else str(weights),
        fabric=fabric,
        rows=(),
        most=None,
    )
    return {result.cell.method: result for result in results}, file


def test_weights_are_measured_and_gone_on_from(place: Path, recipe: Path, weights: Path, fabric: Fabric) -> None:
    """Table 4 has the weights as they are, at epoch 0, beside two trainings from them; once done nothing is trained."""
    done, file = filled(TABLES["table4"], place, recipe, weights, fabric)
    assert [len(result.curve) for result in done.values()] == [1, 2, 2]
    assert done["published"].curve[0]["epoch"] == 0
    data = DataSource(name="imagefolder", folder=place, size=16).load()
    network = make_network(NetworkSpec(widths=(4, 8)), channels=3, classes=3)
    network.load_state_dict(load_file(weights))
    kept = np.delete(data.images[:], data.split.validation, axis=0)
    with torch.inference_mode():
        images = (torch.from_numpy(data.test_images[:]).permute(0, 3, 1, 2) - float(kept.mean())) / float(kept.std())
        right = network.eval()(images)[0].argmax(1).numpy() == data.test_labels
    assert done["published"].last == pytest.approx(right.mean(), abs=1e-5)
    again, _ = filled(TABLES["table4"], place, recipe, weights, fabric)
    assert not again
    assert "| published weights |" in write_table(TABLES["table4"], file)


def test_without_weights_there_is_nothing_to_measure(place: Path, recipe: Path, fabric: Fabric) -> None:
    """A row that asks what weights see says that they are missing, and no result is written."""
    with pytest.raises(ExperimentError, match="published asks what weights see: name some for imagenet by --weights"):
        filled(TABLES["table4"], place, recipe, None, fabric)


def test_own_predictions_make_labels(make_recipe: Callable[..., Recipe], place: Path) -> None:
    """Classes that weights take for one another become a group, with the larger share for the label's own class."""
    data = DataSource(name="imagefolder", folder=place, size=16).load()
    index = data.split.training
    labels = TrainingLabels(index, data.labels[index], np.zeros(len(index), dtype=bool), data.labels[index])
    loss = own_predictions(labels, data, make_recipe()).loss
    assert callable(loss)
    made = loss(np.array([[0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 1.0]]))
    assert isinstance(made, LogProjection)
    z = torch.zeros(1, 3, requires_grad=True)
    made(z, torch.tensor([0]), torch.tensor([False])).backward()
    assert z.grad is not None
    assert z.grad[0, 0] < z.grad[0, 1] < 0 < z.grad[0, 2]


def test_what_is_seen_is_the_mean_for_each_label(place: Path) -> None:
    """Row by row the similarity is the mean prediction for the images that bear the label, over batches of any size."""
    data = DataSource(name="imagefolder", folder=place, size=16).load()
    torch.manual_seed(0)
    network = make_network(NetworkSpec(widths=(4, 8)), channels=3, classes=3).eval()
    whole = torch.nn.Sequential(_Floats(), network)
    seen = seen_by_label(whole, data.images, data.labels, 3, torch.device("cpu"))
    with torch.inference_mode():
        p = whole(torch.from_numpy(data.images[:]).permute(0, 3, 1, 2))[0].softmax(1).numpy()
    for k in range(3):
        np.testing.assert_allclose(seen[k], p[data.labels == k].mean(axis=0), atol=1e-5)


class _Floats(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float() / 255
