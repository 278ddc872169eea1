"""Which columns hold labels and images."""

from pathlib import Path

import polars as pl
import pytest

from labels.columns import guess_columns
from labels.errors import LabelFileError
from labels.label_file import read_label_file


@pytest.mark.parametrize(
    ("columns", "label", "image"),
    [
        (["image", "label"], "label", "image"),
        (["file_name", "class"], "class", "file_name"),
        (["Filename", "Category Name"], "Category Name", "Filename"),
        (["imagePath", "givenLabel"], "givenLabel", "imagePath"),
        (["label", "class", "path", "image"], "label", "image"),
        (["class", "target", "file", "path"], None, None),
        (["klass", "where"], None, None),
        (["img", "y"], "y", "img"),
        (["img", "x", "y"], None, "img"),
        (["original_label", "suggested_label", "prob_label", "image_id"], None, None),
        ([], None, None),
    ],
)
def test_a_guess_is_made_only_where_there_is_no_doubt(columns: list[str], label: str | None, image: str | None) -> None:
    """The documented name wins; else the only usual one, however it is written; else nothing is guessed."""
    guess = guess_columns(columns)
    assert (guess.label, guess.image) == (label, image)


def test_a_guess_tells_what_it_hesitates_between() -> None:
    """A page can show the candidates."""
    guess = guess_columns(["class", "x", "target", "file", "path"])
    assert guess.label_candidates == ("class", "target")
    assert guess.image_candidates == ("file", "path")


def read(folder: Path, header: str, **options: str) -> tuple[str, str | None, tuple[str, ...]]:
    path = folder / "a.csv"
    path.write_text(f"{header}\n{header}\n")
    file = read_label_file(path, **options)
    return file.label_column, file.image_column, file.warnings


def test_what_was_guessed_is_told(tmp_path: Path) -> None:
    """A guess is made known with the option that overrides it; documented and named columns go without words."""
    label, image, warnings = read(tmp_path, "path,category")
    assert (label, image) == ("category", "path")
    assert "'category'" in warnings[0]
    assert "label_column" in warnings[0]
    assert "'path'" in warnings[1]
    assert read(tmp_path, "image,label")[2] == ()
    assert read(tmp_path, "path,category", label_column="category", image_column="path")[2] == ()


def test_a_named_column_is_honoured(tmp_path: Path) -> None:
    """A column that is named is taken even where the documented one is there, and missed where it is not."""
    assert read(tmp_path, "image,label,old,pic", label_column="old", image_column="pic")[:2] == ("old", "pic")
    for option in ("label_column", "image_column"):
        name = option.removesuffix("_column")
        with pytest.raises(LabelFileError, match=rf"no column '{name}' for the .*say which of .*\({option}\)"):
            read(tmp_path, "class,file", **{option: name})


def test_doubt_about_labels_is_an_error_that_lists_them(tmp_path: Path) -> None:
    """Two columns that could hold the labels are named, with the option that settles it."""
    with pytest.raises(LabelFileError, match=r"each of 'class', 'target' may hold the labels.*\(label_column\)"):
        read(tmp_path, "image,class,target")


def test_doubt_about_images_is_a_warning(tmp_path: Path) -> None:
    """Images may not be needed: neither of two columns is taken, and the warnings say which could be."""
    label, image, warnings = read(tmp_path, "label,file,path")
    assert (label, image) == ("label", None)
    assert "'file', 'path'" in warnings[0]


def test_what_can_not_be_names_is_not_guessed(tmp_path: Path) -> None:
    """A usual name over bytes, lists or records is no guess, but the documented name over them is an error."""
    table = pl.DataFrame({"class": ["a"], "category": [["b"]], "file": [b"\xff"], "path": [{"x": 1}]})
    table.write_parquet(tmp_path / "a.parquet")
    file = read_label_file(tmp_path / "a.parquet")
    assert (file.label_column, file.image_column) == ("class", None)
    table.rename({"category": "label"}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(LabelFileError, match="'label' holds List"):
        read_label_file(tmp_path / "a.parquet")


def test_probabilities_are_no_candidates_for_labels(tmp_path: Path) -> None:
    """Whoever has to choose isn't offered columns of probabilities; where there are no others, that is said."""
    with pytest.raises(LabelFileError, match="say which of 'photo', 'what' it is"):
        read(tmp_path, "photo,what,prob_a,prob_b")
    with pytest.raises(LabelFileError, match="probabilities but no labels: add a column"):
        read(tmp_path, "prob_a,prob_b")
