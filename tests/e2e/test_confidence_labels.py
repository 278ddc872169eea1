"""From an audit, or from groups set by hand, to confidence labels that training reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.confidence_labels import read_confidence_labels


def test_an_audit_becomes_confidence_labels(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """With a fifth of the labels flipped in the pairs, a given label means its own class about four times in five."""
    audited = lookalike("audit", kit.labels, "--images", kit.images, "--out", tmp_path / "audit")
    assert audited.returncode == 0, audited.stderr
    made = lookalike(
        "confidence-labels", "from-audit", tmp_path / "audit/report.json", "--out", tmp_path / "labels.json"
    )
    assert made.returncode == 0, made.stderr
    labels = read_confidence_labels(tmp_path / "labels.json")
    own = labels.untrusted_matrix.diagonal()
    assert own.mean() == pytest.approx(0.8, abs=0.05)
    shirt, t_shirt = labels.classes.index("Shirt"), labels.classes.index("T-shirt/top")
    assert labels.untrusted_matrix[shirt].argsort()[-2] == t_shirt
    assert (labels.trusted_matrix.diagonal() == 0.95).all()


def test_groups_become_the_papers_confidence_labels(lookalike: Any, tmp_path: Path) -> None:
    """Groups set by hand give 0.6 to the own class and 0.4 to its pair; who stands alone keeps everything."""
    (tmp_path / "groups.json").write_text(json.dumps({"groups": [["cat", "dog"]]}))
    classes = [part for name in ("cat", "dog", "car") for part in ("--class", name)]
    made = lookalike("confidence-labels", "from-groups", "groups.json", *classes, "--out", "labels.json")
    assert made.returncode == 0, made.stderr
    expected = [[0.6, 0.4, 0], [0.4, 0.6, 0], [0, 0, 1]]
    assert np.allclose(read_confidence_labels(tmp_path / "labels.json").untrusted_matrix, expected)


def test_a_model_finds_the_pairs_by_itself(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """From its predictions alone the model puts Shirt beside T-shirt/top, and every class keeps the largest share."""
    made = lookalike(
        "confidence-labels",
        "from-model",
        kit.truth,
        "--images",
        kit.images,
        "--scores",
        "normalised",
        "--out",
        "labels.json",
    )
    assert made.returncode == 0, made.stderr
    labels = read_confidence_labels(tmp_path / "labels.json")
    matrix = labels.untrusted_matrix
    assert (matrix.argmax(axis=1) == np.arange(10)).all()
    assert matrix[labels.classes.index("Shirt")].argsort()[-2] == labels.classes.index("T-shirt/top")


def test_what_is_no_report_is_refused_in_one_line(lookalike: Any, tmp_path: Path) -> None:
    """A file that is not the report of an audit is named, and nothing is written."""
    (tmp_path / "report.json").write_text("{}")
    result = lookalike("confidence-labels", "from-audit", "report.json", "--out", "labels.json")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "report.json is not the report of an audit" in result.stderr
    assert not (tmp_path / "labels.json").exists()


def test_verified_labels_become_confidence_labels(lookalike: Any, tmp_path: Path) -> None:
    """Where most verified labels of a pair said the other class before, a given label means the other class."""
    rows = [
        f"{i}.png,{label},true,{'dog' if label == 'cat' else 'cat'}" if i % 10 < 8 else f"{i}.png,{label},true,{label}"
        for label in ("cat", "dog")
        for i in range(100)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,trusted,original_label", *rows, "x.png,cat,,"]) + "\n")
    (tmp_path / "groups.json").write_text(json.dumps({"groups": [["cat", "dog"]]}))
    common = ["--groups", "groups.json", "--class", "cat", "--class", "dog", "--out", "confidence.json"]
    made = lookalike("confidence-labels", "from-verified", "labels.csv", *common)
    assert made.returncode == 0, made.stderr
    assert "200 verified labels" in made.stdout
    labels = read_confidence_labels(tmp_path / "confidence.json")
    assert np.allclose(labels.untrusted_matrix, [[0.2, 0.8], [0.8, 0.2]], atol=0.02)
    (tmp_path / "labels.csv").write_text("image,label\na.png,cat\nb.png,dog\n")
    refused = lookalike("confidence-labels", "from-verified", "labels.csv", *common)
    assert refused.returncode == 1
    assert "labels.csv: no row is trusted and has an original_label" in refused.stderr


@pytest.mark.parametrize(
    ("command", "document", "expected"),
    [
        ("from-matrix", {"classes": ["a", "b", "c"], "scores": [[3, 2, 0], [2, 3, 0], [0, 0, 4]]}, [0.6, 0.4, 0]),
        ("from-hierarchy", {"x": ["a", "b"], "y": ["c"]}, [0.5, 0.5, 0]),
    ],
)
def test_files_become_confidence_labels(
    lookalike: Any, tmp_path: Path, command: str, document: Any, expected: list[float]
) -> None:
    """A similarity matrix, or a hierarchy, gives each class its group and the shares in proportion to the scores."""
    (tmp_path / "given.json").write_text(json.dumps(document))
    made = lookalike("confidence-labels", command, "given.json", "--scores", "normalised", "--out", "labels.json")
    assert made.returncode == 0, made.stderr
    labels = read_confidence_labels(tmp_path / "labels.json")
    assert np.allclose(labels.untrusted[0], expected)
    assert np.allclose(labels.trusted[0], [0.95, 0.05, 0])


def test_smoothing_spreads_over_all_classes(lookalike: Any, tmp_path: Path) -> None:
    """Label smoothing is a confidence label, and so is one-hot."""
    classes = [part for name in "abc" for part in ("--class", name)]
    for own, expected in (("0.9", [0.9, 0.05, 0.05]), ("1", [1, 0, 0])):
        made = lookalike("confidence-labels", "smoothed", *classes, "--own", own, "--out", "labels.json")
        assert made.returncode == 0, made.stderr
        assert np.allclose(read_confidence_labels(tmp_path / "labels.json").untrusted[0], expected)
