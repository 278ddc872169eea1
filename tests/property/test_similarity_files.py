"""Similarity as a person writes it down."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.similarity import labels_from_similarity
from models.similarity_file import SimilarityFileError, groups_of_hierarchy, read_hierarchy, read_similarity

WARDROBE = {"shoes": {"open": ["Sandal"], "closed": ["Sneaker", "Boot"]}, "tops": ["Shirt", "Coat"], "bags": ["Bag"]}


def written(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "file.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_a_hierarchy_scores_what_classes_have_in_common(tmp_path: Path) -> None:
    """Siblings at the bottom score 1, cousins the share of nodes they have in common, strangers 0."""
    classes, similarity = read_hierarchy(written(tmp_path, WARDROBE))
    assert classes == ("Sandal", "Sneaker", "Boot", "Shirt", "Coat", "Bag")
    np.testing.assert_array_equal(similarity[1], [0.5, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(similarity[3], [0, 0, 0, 0.5, 0.5, 0])
    np.testing.assert_array_equal(similarity, similarity.T)
    assert groups_of_hierarchy(classes, similarity).as_lists() == [["Sandal", "Sneaker", "Boot"], ["Shirt", "Coat"]]
    near = groups_of_hierarchy(classes, similarity, least=1)
    assert near.as_lists() == [["Sneaker", "Boot"]]
    everyone = groups_of_hierarchy(classes, similarity, least=0)
    assert everyone.as_lists() == [["Sandal", "Sneaker", "Boot"], ["Shirt", "Coat"]]
    labels = labels_from_similarity(similarity, groups_of_hierarchy(classes, similarity)).untrusted_matrix
    assert labels[1, 2] > labels[1, 0] > 0


def test_a_matrix_is_read_as_it_stands(tmp_path: Path) -> None:
    """Classes and scores come back as the file has them."""
    classes, similarity = read_similarity(written(tmp_path, {"classes": ["a", "b"], "scores": [[1, 0.5], [0.25, 2]]}))
    assert classes == ("a", "b")
    assert similarity.tolist() == [[1, 0.5], [0.25, 2]]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"classes": ["a"], "scores": [[1, 2]]}, "the row of 'a' must be 1 numbers"),
        ({"classes": ["a", "a"], "scores": [[1, 2], [3, 4]]}, "classes must be unique"),
        ({"classes": ["a", "b"], "scores": [[1, 2]]}, "scores has 1 rows for 2 classes"),
        ({"classes": ["a"], "scores": [["x"]]}, "scores.0.0"),
        ({"classes": ["a"]}, "scores: Field required"),
        ("{", "the document"),
    ],
)
def test_a_wrong_matrix_names_the_place(tmp_path: Path, document: Any, named: str) -> None:
    """A matrix that is none is refused with the file's name and the place."""
    with pytest.raises(SimilarityFileError, match=f"file.json: {named}"):
        read_similarity(written(tmp_path, document))


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"x": ["a", "a"]}, "at least one class, and none twice"),
        ({}, "at least one class"),
        ({"x": 3}, "expected"),
        ("[1]", "expected"),
        ('{"x":' * 5000 + "[]" + "}" * 5000, "expected"),
    ],
)
def test_a_wrong_hierarchy_is_refused(tmp_path: Path, document: Any, named: str) -> None:
    """What is no hierarchy, or names a class twice or none, is refused with the file's name and what is expected."""
    with pytest.raises(SimilarityFileError, match=f"file.json: .*{named}"):
        read_hierarchy(written(tmp_path, document))
