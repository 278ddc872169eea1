"""Whole audits of Fashion-MNIST's test images where things are unlike the shipped model's validation data, or few."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from labels.fashion_mnist import CLASSES, find_fashion_mnist, read_fashion_mnist
from models.repository import ModelRepository
from service.audits.run import run_audit
from service.audits.steps.options import AuditOptions
from service.inference.classifier import Classifier

Pixels = NDArray[np.uint8]
HARDER = "harder for the model than its validation images"


@pytest.fixture(scope="module")
def classifier(shipped: Path) -> Classifier:
    """The shipped model."""
    return Classifier(ModelRepository(shipped).resolve(), device="cpu")


@pytest.fixture(scope="module")
def clothes() -> tuple[Pixels, NDArray[np.intp]]:
    """Images that the shipped model was not trained on, ``[n, 28, 28]``, and their classes."""
    data = read_fashion_mnist(find_fashion_mnist(None))
    return data.test_images, data.test_labels.astype(np.intp)


@pytest.fixture
def audited(tmp_path: Path, classifier: Classifier) -> Callable[..., tuple[dict[str, Any], pl.DataFrame]]:
    """Audit images ``[n, 28, 28]`` under their labels; the report, and the rows."""

    def audit(images: Pixels, labels: list[str], **options: Any) -> tuple[dict[str, Any], pl.DataFrame]:
        names = [f"{number:04}.png" for number in range(len(images))]
        for name, image in zip(names, images, strict=True):
            Image.fromarray(image).save(tmp_path / name)
        table = tmp_path / "labels.csv"
        pl.DataFrame({"image": names, "label": labels}).write_csv(table)
        report = run_audit(table, tmp_path, AuditOptions(**options), lambda: classifier, tmp_path / "out")
        return report, pl.read_parquet(tmp_path / "out" / "rows.parquet")

    return audit


def flipped(labels: NDArray[np.intp], among: tuple[int, int], rate: float) -> NDArray[np.intp]:
    """Give a share of the labels of two classes to the other one."""
    flips = np.random.default_rng(0).random(len(labels)) < rate
    return np.where(flips, sum(among) - labels, labels)


def blurred(images: Pixels) -> Pixels:
    """Each pixel the mean of the nine around it."""
    padded = np.pad(images.astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    nine = [padded[:, down : down + 28, across : across + 28] for down in range(3) for across in range(3)]
    mean: Pixels = (sum(nine) / 9).astype(np.uint8)
    return mean


@pytest.mark.parametrize(
    "change",
    [
        blurred,
        lambda images: 255 - images,
        lambda images: np.roll(images, 4, axis=2),
        lambda images: images[:, ::-1],
        lambda images: images // 4,
    ],
    ids=["blurred", "inverted", "shifted", "upside down", "dark"],
)
def test_images_unlike_the_validation_data_are_warned_of(
    audited: Any, clothes: Any, change: Callable[[Pixels], Pixels]
) -> None:
    """Who uploads images that the model finds harder than those it was validated on is told so, and by how much."""
    images, truth = clothes
    report, _ = audited(change(images[:500]), [CLASSES[k] for k in truth[:500]])
    assert any(HARDER in warning for warning in report["warnings"])


@pytest.mark.parametrize("start", range(0, 2000, 500))
def test_images_like_the_validation_data_are_not_warned_of(audited: Any, clothes: Any, start: int) -> None:
    """Images as those the model was validated on bring no such warning, noisy though their labels may be."""
    images, truth = clothes
    noisy = np.where(np.random.default_rng(start).random(500) < 0.2, 0, truth[start : start + 500])
    report, _ = audited(images[start : start + 500], [CLASSES[k] for k in noisy])
    assert not any(HARDER in warning for warning in report["warnings"])


@pytest.mark.parametrize("names", [("Sneaker", "Ankle boot"), ("low", "high")])
def test_two_classes(audited: Any, clothes: Any, names: tuple[str, str]) -> None:
    """A file of two classes, known to the model or not, is audited: the flips are found, and how many they are."""
    images, truth = clothes
    among = (CLASSES.index("Sneaker"), CLASSES.index("Ankle boot"))
    rows = np.flatnonzero(np.isin(truth, among))[:800]
    given = flipped(truth[rows], among, 0.1)
    spelling = dict(zip(among, names, strict=True))
    report, table = audited(images[rows], [spelling[k] for k in given], evidence="cross_validated")
    wrong = given != truth[rows]
    assert report["transition"]["classes"] == sorted(names)
    assert report["noise_rate"]["low"] <= wrong.mean() <= report["noise_rate"]["high"]
    flagged = table["flagged"].to_numpy()
    assert (flagged & wrong).sum() > 0.8 * wrong.sum()
    assert (flagged & ~wrong).sum() < 0.1 * wrong.sum()
    swapped = dict(zip(names, names[::-1], strict=True))
    assert table["suggested_label"].to_list() == [swapped[label] for label in table["label"]]


@pytest.mark.parametrize("evidence", ["reference", "cross_validated"])
def test_two_hundred_rows(audited: Any, clothes: Any, evidence: str) -> None:
    """Two hundred rows get their answers, with a wide interval that holds the truth, and no verdict on asymmetry."""
    images, truth = clothes
    given = np.where(np.random.default_rng(1).random(200) < 0.1, (truth[:200] + 1) % 10, truth[:200])
    wrong = given != truth[:200]
    report, table = audited(images[:200], [CLASSES[k] for k in given], evidence=evidence)
    rate = report["noise_rate"]
    assert rate["low"] <= wrong.mean() <= rate["high"]
    assert rate["high"] - rate["low"] > 0.04
    assert report["asymmetry"]["verdict"] == "insufficient"
    assert any("only 200 rows" in warning for warning in report["warnings"])
    top = table["log_odds"].arg_sort(descending=True)[: wrong.sum()].to_numpy()
    assert wrong[top].mean() > 0.5


UNCHECKED = "which images the model was trained on is not known"


@pytest.mark.parametrize(("evidence", "warned"), [("auto", True), ("reference", False)])
def test_a_model_whose_training_images_are_unknown_is_warned_of(
    audited: Any,
    clothes: Any,
    monkeypatch: pytest.MonkeyPatch,
    evidence: str,
    warned: bool,
) -> None:
    """An imported model counts as independent unless its owner says else: the report says so where nobody chose it."""
    images, truth = clothes
    labels = [CLASSES[k] for k in truth[:200]]
    known, _ = audited(images[:200], labels, evidence=evidence)
    assert not any(UNCHECKED in warning for warning in known["warnings"])
    monkeypatch.setattr(Classifier, "training_pixels", lambda _: np.empty(0, dtype=np.uint64))
    report, _ = audited(images[:200], labels, evidence=evidence)
    assert report["evidence"] == "reference"
    assert any(UNCHECKED in warning for warning in report["warnings"]) == warned
