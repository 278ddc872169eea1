"""Groups files and confidence-label files are read strictly, and what is wrong is named."""

import json
from pathlib import Path

import pytest

from models.confidence_labels import ConfidenceLabelsError, from_groups, read_confidence_labels
from models.groups import GroupsError, SimilarityGroups, parse_groups, read_groups


def test_a_groups_file_gives_the_groups(tmp_path: Path) -> None:
    """A groups file gives each class the union of the lists that name it; other classes stand alone."""
    path = tmp_path / "groups.json"
    path.write_text('{"groups": [["a", "b"], ["b", "c"]]}')
    assert read_groups(path, "abcd").members() == (("a", "b"), ("a", "b", "c"), ("b", "c"), ("d",))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "the document"),
        ("[]", "the document"),
        ('{"groups": [["a", 1]]}', r"groups\.0\.1"),
        ('{"groups": "ab"}', "groups"),
        ('{"groups": [], "tau": 1}', "tau"),
        ('{"groups": [["a", "z"]]}', "'z'"),
    ],
)
def test_a_wrong_groups_file_names_the_place(text: str, named: str) -> None:
    """A groups file that can't be used is refused with the place that is wrong."""
    with pytest.raises(GroupsError, match=named):
        parse_groups(text, "abc")


def test_confidence_labels_are_read_back(tmp_path: Path) -> None:
    """A confidence-label file as written is read back the same, with matrices of one row per class."""
    labels = from_groups(SimilarityGroups.from_lists("abc", ["ab"]))
    path = tmp_path / "labels.json"
    path.write_text(labels.model_dump_json())
    assert read_confidence_labels(path) == labels
    assert labels.untrusted_matrix.tolist() == [[0.6, 0.4, 0], [0.4, 0.6, 0], [0, 0, 1]]
    assert labels.trusted_matrix[0] == pytest.approx([0.95, 0.05, 0])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"untrusted": [[0.6, 0.3], [0, 1]]}, "untrusted: the row of 'a' is not a distribution"),
        ({"trusted": [[1, 0], [-1, 2]]}, "trusted: the row of 'b' is not a distribution"),
        ({"trusted": [[1, 0], [0, 1, 0]]}, "trusted: the row of 'b' has 3 entries for 2 classes"),
        ({"trusted": [[1, 0]]}, "trusted has 1 rows for 2 classes"),
        ({"classes": ["a", "a"]}, "classes must be unique"),
        ({"untrusted": [[1, "x"], [0, 1]]}, r"untrusted\.0\.1"),
        ({"author": "me"}, "author"),
    ],
)
def test_wrong_confidence_labels_name_the_row(tmp_path: Path, change: dict[str, object], named: str) -> None:
    """A confidence-label file with a row that is no distribution is refused, and the file and row are named."""
    right = {"classes": ["a", "b"], "untrusted": [[0.6, 0.4], [0.4, 0.6]], "trusted": [[1, 0], [0, 1]]}
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(right | change))
    with pytest.raises(ConfidenceLabelsError, match=named) as caught:
        read_confidence_labels(path)
    assert str(caught.value).startswith("labels.json: ")
