"""Columns of an upload that bear the names of answers."""

from labels.taken_names import renames
from service.audits.input_columns import find


def test_only_columns_with_an_answers_name_are_renamed() -> None:
    """A column named like an answer gets a suffix; others keep their names."""
    assert renames(["status", "kind"], ["image", "status", "label"]) == {"status": "status_input"}


def test_a_new_name_is_never_one_in_use() -> None:
    """Where the new name is taken as well the suffix is added once more."""
    assert renames(["kind"], ["kind", "kind_input"]) == {"kind": "kind_input_input"}


def test_a_column_is_found_under_its_new_name() -> None:
    """A column of the input is found among the rows' columns, never confused with the answer of that name."""
    for columns in (["label", "kind"], ["status", "x"], ["status", "status_input"], ["kind", "status"]):
        new = renames(["status", "kind"], columns)
        rows = [*(new.get(name, name) for name in columns), "status", "p_wrong", "kind"]
        assert [find(name, rows) for name in columns if name != "status_input"] == [
            new.get(name, name) for name in columns if name != "status_input"
        ]
