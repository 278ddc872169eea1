"""What is published: calibrated where labels are given, marked where not, and nothing where something is wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from lookalike.importing.errors import ModelImportError
from lookalike.importing.preprocessing import PreprocessingOptions
from lookalike.importing.publish import ImportedModel
from models.distribution import softmax
from models.errors import LookalikeError
from models.images import decode_image
from models.manifest import CARD
from models.preprocessing import to_input
from models.repository import ModelError, ModelRepository, verify
from service.inference.classifier import Classifier, NotAClassifierError

Take = Callable[..., ImportedModel]
Saved = Callable[..., Path]
COLOURS = np.array(["red", "green", "blue"])
HALVES = PreprocessingOptions(mean="0.5", std="0.5")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """600 pictures of one colour each, and labels of which the model's logits are three times too sure."""
    folder, rng = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    colours = rng.integers(0, 256, (600, 3), dtype=np.uint8)
    odds = softmax(9 * (colours / 127.5 - 1), temperature=3)
    labels = COLOURS[(odds.cumsum(axis=1) > rng.random((600, 1))).argmax(axis=1)]
    (folder / "images").mkdir()
    for i, colour in enumerate(colours):
        Image.fromarray(np.broadcast_to(colour, (10, 12, 3))).save(folder / "images" / f"{i}.png")
    names = [f"{i}.png" for i in range(600)]
    pl.DataFrame({"image": names, "label": labels}).write_csv(folder / "labels.csv")
    return folder / "labels.csv", folder / "images"


def test_an_import_is_calibrated_on_labels(
    saved: Saved, classes: Path, take: Take, labelled: tuple[Path, Path]
) -> None:
    """Given labelled pictures, an overconfident model gets its temperature, prediction sets and outliers."""
    labels, images = labelled
    imported = take(saved(), classes=classes, calibrate=labels, images=images, preprocessing=HALVES)
    manifest = imported.artifact.manifest
    assert manifest.calibration is not None
    assert (manifest.calibration.n, imported.warnings) == (600, [])
    assert 2.5 < manifest.temperature.group < 3.5
    assert manifest.validation_counts is not None
    assert manifest.validation_counts.sum() == 600
    assert manifest.metrics["validation_ece"] < 0.06
    assert 0.6 < manifest.metrics["validation_accuracy"] < 0.95
    verify(imported.artifact)

    classifier = Classifier(imported.artifact, device="cpu")
    picture = to_input(decode_image((images / "0.png").read_bytes()), manifest.input)
    (answer,) = classifier.answer(classifier.score(picture[None]))
    assert answer["prediction_set"] is not None
    assert (answer["prediction_set"]["coverage"], answer["outlier"], classifier.warnings) == (0.95, False, [])
    card = (imported.artifact.path / CARD).read_text()
    assert "labels.csv, 600 images" in card
    assert f"| accuracy | {manifest.metrics['validation_accuracy']:.4f} |" in card


def test_groups_are_given_or_found(
    saved: Saved, classes: Path, take: Take, labelled: tuple[Path, Path], tmp_path: Path
) -> None:
    """Groups come from a file where there is one, else from what the model mistakes for what."""
    (tmp_path / "groups.json").write_text('{"groups": [["red", "blue"]]}')
    labels, images = labelled
    options = {"classes": classes, "preprocessing": HALVES}
    named = take(saved(), groups=tmp_path / "groups.json", calibrate=labels, images=images, **options)
    assert named.artifact.manifest.similarity_groups.as_lists() == [["red", "blue"]]
    uncalibrated = take(saved(), groups=tmp_path / "groups.json", **options)
    assert uncalibrated.artifact.manifest.similarity_groups.as_lists() == [["red", "blue"]]
    found = take(saved(), calibrate=labels, images=images, **options)
    assert found.artifact.manifest.similarity_groups.membership.shape == (3, 3)


def test_an_import_without_labels_says_that_it_is_not_calibrated(saved: Saved, classes: Path, take: Take) -> None:
    """Manifest, card and every answer say that nobody has checked the probabilities."""
    imported = take(saved(), classes=classes)
    assert imported.artifact.manifest.calibration is None
    assert "It is not calibrated" in (imported.artifact.path / CARD).read_text()
    classifier = Classifier(imported.artifact, device="cpu")
    (warning,) = classifier.warnings
    assert "colours@1 is not calibrated" in warning
    (answer,) = classifier.answer(classifier.score(np.zeros((1, 8, 8, 3), np.uint8)))
    assert (answer["prediction_set"], answer["outlier"]) == (None, None)


def test_an_encoder_gives_no_answers(saved: Saved, take: Take) -> None:
    """Asked to classify, an encoder says what it is."""
    imported = take(saved())
    assert "knows no classes" in (imported.artifact.path / CARD).read_text()
    classifier = Classifier(imported.artifact, device="cpu")
    assert classifier.warnings == []
    with pytest.raises(NotAClassifierError, match="colours@1 is an encoder and knows no classes"):
        classifier.answer(classifier.score(np.zeros((1, 8, 8, 3), np.uint8)))
    assert classifier.training_pixels().size == 0
    assert not classifier.statistics.is_outlier(np.full((2, 3), 1e9)).any()


def test_rows_that_can_not_be_used_are_counted(
    saved: Saved, classes: Path, take: Take, labelled: tuple[Path, Path], tmp_path: Path
) -> None:
    """Unknown labels and missing pictures are left out and told of, and so are too few."""
    table = pl.read_csv(labelled[0])[:60]
    more = pl.DataFrame({"image": ["1.png", "nowhere.png"], "label": ["pink", "red"]})
    pl.concat([table, more]).write_csv(tmp_path / "some.csv")
    imported = take(saved(), classes=classes, calibrate=tmp_path / "some.csv", images=labelled[1], preprocessing=HALVES)
    left_out, few = imported.warnings
    assert "2 of 62 rows have an unknown label or no readable image" in left_out
    assert "on 60 images only" in few


@pytest.mark.parametrize(
    ("label", "said"),
    [("red", "0 readable images are labelled 'green'"), ("pink", "0 readable images are labelled 'red'")],
)
def test_every_class_needs_images(
    saved: Saved,
    classes: Path,
    take: Take,
    store: ModelRepository,
    labelled: tuple[Path, Path],
    tmp_path: Path,
    label: str,
    said: str,
) -> None:
    """A class that calibration knows nothing of is named, and nothing is published."""
    names = [f"{i}.png" for i in range(9)]
    pl.DataFrame({"image": names, "label": [label] * 9}).write_csv(tmp_path / "few.csv")
    with pytest.raises(LookalikeError, match=said):
        take(saved(), classes=classes, calibrate=tmp_path / "few.csv", images=labelled[1])
    assert list(store.root.iterdir()) == []


def test_options_that_do_not_go_together_are_refused(
    saved: Saved, classes: Path, take: Take, store: ModelRepository, labelled: tuple[Path, Path]
) -> None:
    """Calibration needs classes and images; the message says which option is missing."""
    with pytest.raises(ModelImportError, match="name the classes by --classes"):
        take(saved(), calibrate=labelled[0], images=labelled[1])
    with pytest.raises(ModelImportError, match="--images DIR"):
        take(saved(), classes=classes, calibrate=labelled[0])
    assert not store.root.exists()


def test_a_bad_name_is_refused(saved: Saved, store: ModelRepository) -> None:
    """A name that is no name of a model is refused by the repository, and nothing lies outside it."""
    from lookalike.importing.publish import ImportOptions, import_onnx

    with pytest.raises(ModelError, match="is no model name"):
        import_onnx(saved(), store, "../colours", ImportOptions())


def test_the_same_file_gives_the_same_model(saved: Saved, classes: Path, take: Take) -> None:
    """Importing twice gives two versions with the same graph: nothing in it depends on time or place."""
    path = saved()
    first, second = (take(path, classes=classes).artifact.manifest for _ in range(2))
    assert first.files == second.files
    assert (first.version, second.version) == ("1", "2")
