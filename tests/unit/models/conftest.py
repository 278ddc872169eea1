"""A small, whole manifest to vary."""

from collections.abc import Callable
from typing import Any

import pytest

from models.confidence_labels import from_groups
from models.groups import SimilarityGroups
from models.manifest import Manifest

CLASSES = ("Shirt", "T-shirt/top", "Coat", "Pullover")
PAIRS = (("Shirt", "T-shirt/top"), ("Coat", "Pullover"))
DIGEST = "0" * 64


@pytest.fixture
def manifest_fields() -> dict[str, Any]:
    """The JSON form of a valid manifest."""
    groups = SimilarityGroups.from_lists(CLASSES, PAIRS)
    return {
        "name": "clothes",
        "version": "1",
        "classes": list(CLASSES),
        "input": {"height": 8, "width": 8, "channels": 1, "resize": 8},
        "embedding_size": 2,
        "groups": [list(group) for group in groups.members()],
        "confidence_labels": from_groups(groups).model_dump(mode="json"),
        "calibration": {
            "source": "made up",
            "n": 100,
            "temperature": {"group": 1.0, "within": 1.0},
            "confusion": [[25, 0, 0, 0], [0, 25, 0, 0], [0, 0, 25, 0], [0, 0, 0, 25]],
            "conformal": {"n": 100, "levels": [0.5, 0.95], "thresholds": [0.3, 0.6]},
        },
        "provenance": {
            "data_set": "clothes",
            "training_samples": 100,
            "trusted_samples": 0,
            "noise": "none",
            "protocol": "verified",
            "loss": "lp",
            "clamp": True,
            "relaxation": "l2",
            "recipe": {},
            "seed": 0,
            "commit": "unknown",
            "libraries": {},
        },
        "metrics": {},
        "files": dict.fromkeys(("model.onnx", "embedding.npz", "training_pixels.bin"), DIGEST),
    }


@pytest.fixture
def make_manifest(manifest_fields: dict[str, Any]) -> Callable[..., Manifest]:
    """Make a manifest with some fields of its own."""

    def make(**fields: Any) -> Manifest:
        return Manifest.model_validate(manifest_fields | fields)

    return make


@pytest.fixture
def imported_fields(manifest_fields: dict[str, Any]) -> dict[str, Any]:
    """The JSON form of a classifier that was imported without calibration."""
    imported = {
        "file": "clothes.onnx",
        "sha256": DIGEST,
        "producer": "pytorch 2.14.1",
        "opset": 20,
        "input_type": "float32",
        "layout": "nchw",
        "mean": [0.5],
        "std": [0.25],
        "logits": "output",
        "embedding": "flatten",
        "libraries": {},
    }
    unknown = {"provenance": None, "confidence_labels": None, "calibration": None}
    return manifest_fields | unknown | {"imported": imported, "files": {"model.onnx": DIGEST}}
