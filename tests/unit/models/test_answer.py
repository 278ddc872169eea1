"""The answer for an image, as the public surface describes it."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from models.answer import Answers, Prediction
from models.conformal import prediction_sets
from models.embedding import EmbeddingStatistics
from models.manifest import Manifest
from models.scores import Scores

STATISTICS = EmbeddingStatistics(np.zeros((4, 2), np.float32), np.eye(2, dtype=np.float32), threshold=3.0)
ORDINARY, STRANGE = [0.5, 0.5], [30.0, 30.0]
SHIRT_OR_T_SHIRT = [0.55, 0.42, 0.01, 0.02]


def rounded(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: rounded(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [rounded(value) for value in tree]
    return round(tree, 4) if isinstance(tree, float) else tree


def answers(manifest: Manifest, p: Any, embeddings: Any = (ORDINARY,), **options: Any) -> list[Prediction]:
    with np.errstate(divide="ignore"):
        logits = np.log(np.array(p, dtype=np.float32))
    scores = Scores.of(logits, np.array(embeddings, dtype=np.float32), manifest, STATISTICS)
    return Answers(manifest).of(scores, **options)


def answer(manifest: Manifest, p: list[float], **options: Any) -> Any:
    (one,) = answers(manifest, [p], **options)
    return one


def test_the_answer_has_the_documented_shape(make_manifest: Callable[..., Manifest]) -> None:
    """The documented example comes out key for key: a shirt or a T-shirt, and which of the two can't be told."""
    found = answer(make_manifest(), SHIRT_OR_T_SHIRT, top_k=3)
    document = json.loads(json.dumps(found))
    TypeAdapter(Prediction).validate_python(found, strict=True)  # what the interface's description is made of
    expected = {
        "class": "Shirt",
        "probability": 0.55,
        "decision": {"level": "group", "classes": ["Shirt", "T-shirt/top"], "probability": 0.97},
        "group": {
            "classes": ["Shirt", "T-shirt/top"],
            "probability": 0.97,
            "within": {"Shirt": 0.567, "T-shirt/top": 0.433},
        },
        "groups": [
            {"classes": ["Shirt", "T-shirt/top"], "probability": 0.97},
            {"classes": ["Pullover", "Coat"], "probability": 0.03},
        ],
        "prediction_set": {"coverage": 0.95, "classes": ["Shirt", "T-shirt/top"]},
        "outlier": False,
        "probabilities": {"Shirt": 0.55, "T-shirt/top": 0.42, "Pullover": 0.02},
    }
    assert rounded(document) == expected
    assert json.dumps(rounded(document)) == json.dumps(expected)  # and in the documented order


@pytest.mark.parametrize(
    ("p", "level", "expected"),
    [
        ([0.96, 0.02, 0.01, 0.01], 0.95, ("class", ["Shirt"], 0.96)),
        ([0.55, 0.42, 0.01, 0.02], 0.95, ("group", ["Shirt", "T-shirt/top"], 0.97)),
        ([0.42, 0.55, 0.01, 0.02], 0.95, ("group", ["T-shirt/top", "Shirt"], 0.97)),
        ([0.50, 0.42, 0.06, 0.02], 0.95, ("none", [], 0.92)),
        ([0.50, 0.42, 0.06, 0.02], 0.90, ("group", ["Shirt", "T-shirt/top"], 0.92)),
        ([0.50, 0.42, 0.06, 0.02], 0.45, ("class", ["Shirt"], 0.50)),
        ([0.96, 0.02, 0.01, 0.01], 1.0, ("none", [], 0.98)),
    ],
)
def test_the_decision_is_the_finest_sure_level(
    make_manifest: Callable[..., Manifest], p: list[float], level: float, expected: tuple[str, list[str], float]
) -> None:
    """The decision is the class where it reaches the caller's level, else its group, else none, without classes."""
    decision = answer(make_manifest(), p, level=level)["decision"]
    assert (decision["level"], decision["classes"], round(decision["probability"], 4)) == expected


def test_a_lone_class_never_passes_as_a_group(make_manifest: Callable[..., Manifest]) -> None:
    """A class that stands alone and falls short of the level by less than is printed is not sure as a group either."""
    alone = make_manifest(groups=[["Shirt"], ["T-shirt/top"], ["Coat"], ["Pullover"]])
    p = 0.95 - 3e-7
    assert answer(alone, [p, 1 - p - 2e-9, 1e-9, 1e-9])["decision"]["level"] == "none"


def test_level_one_asks_for_everything(make_manifest: Callable[..., Manifest]) -> None:
    """At level 1 the prediction set holds every class, with coverage 1, and only a certain class is sure."""
    found = answer(make_manifest(), SHIRT_OR_T_SHIRT, level=1.0)
    assert found["prediction_set"]["coverage"] == 1
    assert found["prediction_set"]["classes"] == ["Shirt", "T-shirt/top", "Pullover", "Coat"]
    assert found["decision"]["level"] == "none"
    assert answer(make_manifest(), [1, 0, 0, 0], level=1.0)["decision"]["level"] == "class"


def test_coverage_is_that_of_the_next_level_on_the_grid(make_manifest: Callable[..., Manifest]) -> None:
    """The stated coverage is never below what was asked for; a sure image's set is one class."""
    manifest = make_manifest()
    assert answer(manifest, SHIRT_OR_T_SHIRT, level=0.3)["prediction_set"]["coverage"] == 0.5
    assert answer(manifest, SHIRT_OR_T_SHIRT, level=0.6)["prediction_set"]["coverage"] == 0.95
    assert answer(manifest, [0.97, 0.01, 0.01, 0.01])["prediction_set"]["classes"] == ["Shirt"]
    assert answer(manifest, [0.25, 0.26, 0.25, 0.24])["prediction_set"]["classes"] == ["T-shirt/top"]  # never empty


def test_overlapping_groups_belong_to_the_top_class(make_manifest: Callable[..., Manifest]) -> None:
    """With overlapping groups the answer is the top class's group; every group's mass is listed."""
    overlapping = make_manifest(
        groups=[["Shirt", "T-shirt/top"], ["Shirt", "T-shirt/top", "Coat"], ["Coat"], ["Pullover", "Coat"]]
    )
    found = answer(overlapping, [0.4, 0.5, 0.06, 0.04])
    assert found["group"]["classes"] == ["T-shirt/top", "Shirt", "Coat"]
    assert sum(found["group"]["within"].values()) == pytest.approx(1, abs=1e-5)
    assert found["decision"]["level"] == "group"
    masses = [(group["classes"], round(group["probability"], 4)) for group in found["groups"]]
    assert masses == [
        (["T-shirt/top", "Shirt", "Coat"], 0.96),
        (["T-shirt/top", "Shirt"], 0.9),
        (["Coat", "Pullover"], 0.1),
        (["Coat"], 0.06),
    ]


@pytest.mark.parametrize(("top_k", "listed"), [(1, 1), (3, 3), (4, 4), (100, 4)])
def test_top_k_limits_the_list_alone(make_manifest: Callable[..., Manifest], top_k: int, listed: int) -> None:
    """``top_k`` shortens the list of probabilities, most probable first, and changes nothing else."""
    found = answer(make_manifest(), [0.1, 0.2, 0.3, 0.4], top_k=top_k)
    assert list(found["probabilities"]) == ["Pullover", "Coat", "T-shirt/top", "Shirt"][:listed]
    others = answer(make_manifest(), [0.1, 0.2, 0.3, 0.4])
    assert found | {"probabilities": None} == others | {"probabilities": None}


def test_temperatures_of_the_manifest_are_applied(
    make_manifest: Callable[..., Manifest], manifest_fields: dict[str, Any]
) -> None:
    """Regrouping and recalibrating are changes of the manifest alone: its two temperatures shape the answer."""
    calibration = manifest_fields["calibration"] | {"temperature": {"group": 0.5, "within": 1e6}}
    found = answer(make_manifest(calibration=calibration), SHIRT_OR_T_SHIRT)
    assert found["group"]["within"] == pytest.approx({"Shirt": 0.5, "T-shirt/top": 0.5}, abs=1e-5)
    squares = np.square(SHIRT_OR_T_SHIRT)
    assert found["group"]["probability"] == pytest.approx(squares[:2].sum() / squares.sum(), abs=1e-5)


def test_each_image_of_a_batch_gets_its_own_answer(make_manifest: Callable[..., Manifest]) -> None:
    """Answers come in the order of the images; only the strange image is an outlier; no images, no answers."""
    found = answers(make_manifest(), [SHIRT_OR_T_SHIRT, [0.01, 0.01, 0.96, 0.02]], [ORDINARY, STRANGE])
    assert [(each["class"], each["outlier"]) for each in found] == [("Shirt", False), ("Coat", True)]
    assert answers(make_manifest(), np.zeros((0, 4)), np.zeros((0, 2))) == []


def test_an_answer_without_calibration_promises_nothing(imported_fields: dict[str, Any]) -> None:
    """Where nobody calibrated the model there is no prediction set and no outlier, only the softmax of its logits."""
    manifest = Manifest.model_validate(imported_fields)
    (found,) = answers(manifest, [SHIRT_OR_T_SHIRT], [STRANGE])
    assert (found["prediction_set"], found["outlier"]) == (None, None)
    assert found["probability"] == pytest.approx(0.55, abs=1e-4)
    assert found["decision"]["level"] == "group"


def test_prediction_sets_are_those_of_the_calibration(make_manifest: Callable[..., Manifest]) -> None:
    """The set of an answer is the one whose coverage was calibrated, at every level of the grid."""
    manifest, rng = make_manifest(), np.random.default_rng(0)
    logits, embeddings = rng.normal(scale=2, size=(100, 4)).astype(np.float32), np.zeros((100, 2), np.float32)
    scores = Scores.of(logits, embeddings, manifest, STATISTICS)
    assert manifest.calibration is not None
    for level in (*manifest.calibration.conformal.levels, 1.0):
        _, threshold = manifest.calibration.conformal.threshold(level)
        expected = prediction_sets(scores.probabilities, threshold)
        for answer, members in zip(Answers(manifest).of(scores, level=level), expected, strict=True):
            assert answer["prediction_set"] is not None
            assert set(answer["prediction_set"]["classes"]) == {manifest.classes[k] for k in np.flatnonzero(members)}
