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
    assert manifest.validation_counts is not None
    assert manifest.validation_counts.sum() == 100


def put(fields: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        fields = fields[parent]
    fields[last] = value


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("schema_version", 4, "schema_version"),
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
        ("confidence_labels", None, "trained here has confidence_labels"),
        ("provenance", None, "either provenance (it was trained here) or imported"),
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


@pytest.mark.parametrize("version", [1, 2])
def test_a_manifest_of_an_earlier_schema_stays_valid(manifest_fields: dict[str, Any], version: int) -> None:
    """Models that were published by earlier schemas are read as they are."""
    manifest = Manifest.model_validate(manifest_fields | {"schema_version": version})
    assert (manifest.schema_version, manifest.is_encoder) == (version, False)


def test_an_imported_classifier_needs_no_calibration(imported_fields: dict[str, Any]) -> None:
    """Without calibration the temperature is 1, there are no validation counts, and the graph is the only file."""
    manifest = Manifest.model_validate(imported_fields)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert (manifest.temperature.group, manifest.temperature.within) == (1, 1)
    assert manifest.validation_counts is None


def test_an_encoder_is_a_model_of_no_classes(imported_fields: dict[str, Any], manifest_fields: dict[str, Any]) -> None:
    """An encoder has no classes, no groups and nothing calibrated; a model of one class is refused."""
    encoder = imported_fields | {"classes": [], "groups": []}
    assert Manifest.model_validate(encoder).is_encoder
    calibration = manifest_fields["calibration"] | {"confusion": []}
    with pytest.raises(ValidationError, match="no probabilities that could be calibrated"):
        Manifest.model_validate(encoder | {"calibration": calibration})
    with pytest.raises(ValidationError, match="at least two classes, an encoder none"):
        Manifest.model_validate(imported_fields | {"classes": ["Shirt"], "groups": [["Shirt"]]})


def test_a_model_is_either_trained_here_or_imported(
    manifest_fields: dict[str, Any], imported_fields: dict[str, Any]
) -> None:
    """A manifest that claims both origins is refused."""
    with pytest.raises(ValidationError, match="either provenance"):
        Manifest.model_validate(manifest_fields | {"imported": imported_fields["imported"]})
