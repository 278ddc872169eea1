"""The images that an int8 form is judged by: enough of every class, and none that the model has seen."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from labels.fashion_mnist import find_fashion_mnist, read_fashion_mnist
from labels.splits import split
from lookalike.importing.preprocessing import PreprocessingOptions
from lookalike.importing.publish import ImportedModel
from lookalike.quantizing.evidence import EvidenceError, from_data_set, from_label_file
from lookalike.quantizing.publish import quantize_version
from models.repository import SHIPPED, ModelArtifact, ModelRepository
from training.quantization import QuantizationError

KIT = Path(__file__).parents[3] / "examples" / "fashion-mnist"


@pytest.fixture
def shipped() -> ModelArtifact:
    return ModelRepository(SHIPPED).resolve("fashion-mnist")


def test_a_label_file_gives_ranges_and_judgement(shipped: ModelArtifact, tmp_path: Path) -> None:
    """Rows that can be read and whose label is known are used, 500 of them for the ranges; the others are left out."""
    table = pl.read_csv(KIT / "truth.csv")
    strange = pl.DataFrame({"image": [table["image"][0], "none.png"], "label": ["Hat", "Shirt"]})
    pl.concat([table.select("image", "label"), strange]).write_csv(tmp_path / "labels.csv")
    evidence = from_label_file(shipped, tmp_path / "labels.csv", KIT / "images")
    assert (evidence.held_out.images.shape, evidence.ranges.shape) == ((600, 28, 28, 1), (500, 28, 28, 1))
    assert (evidence.held_out.source, evidence.ranges_source) == ("labels.csv, 600 images", "labels.csv, 500 images")
    assert evidence.held_out.test is None
    counts = np.bincount(evidence.held_out.labels, minlength=10)
    truth = table["label"].value_counts().to_dict(as_series=False)
    expected = dict(zip(truth["label"], truth["count"], strict=True))
    assert {name: counts[k] for k, name in enumerate(shipped.manifest.classes)} == expected


def test_a_class_without_images_is_named(shipped: ModelArtifact, tmp_path: Path) -> None:
    """A label file that lacks a class can't calibrate it, and the error names the class."""
    pl.read_csv(KIT / "truth.csv").filter(pl.col("label") != "Bag").write_csv(tmp_path / "labels.csv")
    with pytest.raises(EvidenceError, match=r"labels\.csv: 0 readable images are labelled 'Bag'"):
        from_label_file(shipped, tmp_path / "labels.csv", KIT / "images")


def test_images_that_the_model_learnt_from_are_refused(shipped: ModelArtifact, tmp_path: Path) -> None:
    """On its own training images a model looks better than it is: they are counted and refused."""
    data = read_fashion_mnist(find_fashion_mnist(None))
    rows = split(data.train_labels, validation=10_000, reserve=10_000).training[:200]
    for row in rows:
        Image.fromarray(data.train_images[row]).save(tmp_path / f"{row}.png")
    names = [shipped.manifest.classes[k] for k in data.train_labels[rows]]
    pl.DataFrame({"image": [f"{row}.png" for row in rows], "label": names}).write_csv(tmp_path / "labels.csv")
    with pytest.raises(EvidenceError, match=r"fashion-mnist@1 was trained on 200 of its images"):
        from_label_file(shipped, tmp_path / "labels.csv", tmp_path)


def test_an_import_needs_images_of_its_own(
    saved: Callable[..., Path], classes: Path, take: Callable[..., ImportedModel]
) -> None:
    """Of an imported model no data set is known, and one that nobody calibrated has nothing to lose: both are said."""
    artifact = take(saved(), classes=classes, preprocessing=PreprocessingOptions(mean="0.5", std="0.5")).artifact
    with pytest.raises(EvidenceError, match="was not trained on Fashion-MNIST: name held-out images by --labels"):
        from_data_set(artifact, None)
    evidence = from_label_file(ModelRepository(SHIPPED).resolve("fashion-mnist"), KIT / "truth.csv", KIT / "images")
    with pytest.raises(QuantizationError, match="is not calibrated"):
        quantize_version(artifact, evidence, ModelRepository(artifact.path.parents[1]), "small")
