"""A network of torchvision with the weights of a file becomes a model, and that one confidence labels."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from lookalike.importing.errors import ModelImportError
from lookalike.importing.publish import ImportOptions
from lookalike.importing.torchvision_network import import_torchvision
from lookalike.model_similarity import similarity_by_models
from models.preprocessing import to_input
from models.repository import ModelRepository, verify
from service.inference.classifier import Classifier

CLASSES = ("ant", "bee", "cat", "dog")
SIZE = 64


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Random weights in the form that torchvision publishes."""
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(num_classes=4).state_dict(), tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


@pytest.fixture
def options(tmp_path: Path) -> ImportOptions:
    """Class names and 24 labelled pictures."""
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    images = tmp_path / "images"
    images.mkdir()
    rows = ["image,label"]
    for i in range(24):
        pixels = np.random.default_rng(i).integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.png")
        rows.append(f"{i}.png,{CLASSES[i % 4]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return ImportOptions(classes=tmp_path / "classes.txt", calibrate=tmp_path / "labels.csv", images=images)


def test_the_model_computes_what_torchvision_does(weights: Path, options: ImportOptions, tmp_path: Path) -> None:
    """Its logits are those of torchvision's network, and its predictions give confidence labels by themselves."""
    repository = ModelRepository(tmp_path / "models")
    artifact = import_torchvision("resnet18", str(weights), repository, "pretrained", options, size=SIZE).artifact
    verify(artifact)
    manifest = artifact.manifest
    assert (manifest.input.height, manifest.input.resize) == (64, 73)
    theirs = torchvision.models.resnet18(num_classes=4)
    theirs.load_state_dict(torch.load(weights, weights_only=True))
    assert options.images is not None
    pictures = np.stack(
        [to_input(np.asarray(Image.open(options.images / f"{i}.png")), manifest.input) for i in range(5)]
    )
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.inference_mode():
        expected = theirs.eval()(x).numpy()
    classifier = Classifier(artifact, device="cpu")
    np.testing.assert_allclose(classifier.infer(pictures)[0], expected, atol=1e-3)

    assert options.calibrate is not None
    similarity = similarity_by_models(options.calibrate, options.images, [classifier])
    assert similarity.shape == (4, 4)
    np.testing.assert_allclose(similarity.sum(axis=1), 1, atol=1e-6)


def test_weights_for_other_classes_are_refused(weights: Path, options: ImportOptions, tmp_path: Path) -> None:
    """A file of class names that doesn't fit the weights is refused before anything is published."""
    assert options.classes is not None
    options.classes.write_text("ant\nbee\ncat")
    repository = ModelRepository(tmp_path / "models")
    with pytest.raises(ModelImportError, match=r"resnet18\.pth is not for the 3 classes that classes\.txt names"):
        import_torchvision("resnet18", str(weights), repository, "pretrained", options, size=SIZE)
