"""The manifest refuses what does not fit together, naming the field."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.manifest import Manifest


def test_a_manifest_survives_its_file(manifest_fields: dict[str, Any]) -> None:
    """A manifest read back from its JSON is the same manifest."""
    manifest = Manifest.model_validate(manifest_fields)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.similarity_groups.as_lists() == [["Shirt", "T-shirt/top"], ["Coat", "Pullover"]]
    assert manifest.validation_counts.sum() == 100


def put(fields: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        fields = fields[parent]
    fields[last] = value


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("schema_version", 2, "schema_version"),
        ("name", "../clothes", "name"),
        ("name", "Clothes", "name"),
        ("version", "0", "version"),
        ("version", "01", "version"),
        ("classes", ["Shirt"], "classes"),
        ("classes", ["Shirt", "Shirt", "Coat", "Pullover"], "classes"),
        ("classes", ["Shirt", "T-shirt/top", "Coat", "Dress"], "groups"),
        ("groups", [["Shirt"], ["T-shirt/top"], ["Coat"]], "groups"),
        ("groups", [["Shirt"], ["Shirt"], ["Coat"], ["Pullover"]], "groups"),
        ("groups", [["Shirt", "Boot"], ["T-shirt/top"], ["Coat"], ["Pullover"]], "groups"),
        ("confidence_labels.classes", ["T-shirt/top", "Shirt", "Coat", "Pullover"], "confidence_labels"),
        ("confidence_labels.trusted", [[1, 0, 0, 0]], "confidence_labels"),
        ("calibration.temperature.group", 0, "calibration.temperature.group"),
        ("calibration.confusion", [[1]], "calibration.confusion"),
        ("calibration.n", 0, "calibration.n"),
        ("calibration.conformal.levels", [0.95, 0.5], "calibration.conformal"),
        ("calibration.conformal.thresholds", [0.5], "calibration.conformal"),
        ("provenance.protocol", "mixed", "provenance.protocol"),
        ("input.resize", 4, "input"),
        ("embedding_size", 0, "embedding_size"),
        ("files", {"model.onnx": "0" * 64}, "files"),
        ("files", {"model.onnx": "0" * 63}, "files"),
        ("metrics", {"accuracy": "good"}, "metrics"),
        ("owner", "me", "owner"),
    ],
)
def test_a_wrong_field_is_named(manifest_fields: dict[str, Any], path: str, value: Any, named: str) -> None:
    """Whoever edits a manifest wrongly is told which field is wrong."""
    put(manifest_fields, path, value)
    with pytest.raises(ValidationError) as caught:
        Manifest.model_validate(manifest_fields)
    first = caught.value.errors()[0]
    assert named in ".".join(map(str, first["loc"])) + ": " + first["msg"]


def test_two_temperatures_need_a_partition(manifest_fields: dict[str, Any]) -> None:
    """Two temperatures on overlapping groups are refused when the manifest is read, not at the first image."""
    manifest_fields["calibration"]["temperature"] = {"group": 1.0, "within": 2.0}
    Manifest.model_validate(manifest_fields)
    manifest_fields["groups"] = [["Shirt", "Coat"], ["T-shirt/top", "Shirt"], ["Coat"], ["Pullover"]]
    with pytest.raises(ValidationError, match=r"calibration\.temperature: two temperatures need groups that partition"):
        Manifest.model_validate(manifest_fields)
