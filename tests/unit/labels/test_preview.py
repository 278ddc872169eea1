"""The beginning of a label file, as a person is shown it before anything is started."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels.errors import LabelFileError
from labels.preview import SHOWN_ROWS, preview_label_file


def preview(folder: Path, name: str, content: bytes, *, whole: bool = False, **columns: str):  # noqa: ANN201
    path = folder / name
    path.write_bytes(content)
    return preview_label_file(path, whole=whole, **columns)


def test_it_shows_what_an_audit_would_take(tmp_path: Path) -> None:
    """Columns, first rows and the counts of the labels are there, with the columns found by their names."""
    rows = "".join(f"{i}.png,{'Coat' if i % 3 else 'Bag'},x\n" for i in range(10))
    shown = preview(tmp_path, "a.csv", f"File Name,class,note\n{rows}".encode(), whole=True)
    assert (shown.label_column, shown.image_column) == ("class", "File Name")
    assert shown.rows[0] == ["0.png", "Bag", "x"]
    assert (len(shown.rows), shown.rows_read) == (SHOWN_ROWS, 10)
    assert list(shown.labels.items()) == [("Coat", 6), ("Bag", 4)]


def test_another_column_can_be_chosen(tmp_path: Path) -> None:
    """Whoever names a column sees the labels of that one; where names leave a doubt, none is chosen for him."""
    content = b"image,class,target\na.png,Coat,1\nb.png,Bag,2\n"
    assert preview(tmp_path, "a.csv", content, whole=True).label_column is None
    chosen = preview(tmp_path, "a.csv", content, whole=True, label_column="target")
    assert chosen.labels == {"1": 1, "2": 1}
    with pytest.raises(LabelFileError, match="no column 'nope'"):
        preview(tmp_path, "a.csv", content, whole=True, label_column="nope")


@given(cut=st.integers(120, 400), encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
def test_a_cut_anywhere_shows_the_rows_before_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int, encoding: str
) -> None:
    """However a file is cut, in the middle of a character too, the rows before the last are shown as they are."""
    text = "image,label\n" + "".join(f"{i}.png,Kleid \u00fc\U0001f457\n" for i in range(40))
    shown = preview(tmp_path_factory.mktemp("cut"), "a.csv", text.encode(encoding)[:cut])
    assert 1 <= shown.rows_read < 40
    assert all(row == [f"{i}.png", "Kleid \u00fc\U0001f457"] for i, row in enumerate(shown.rows))


def test_a_cut_inside_a_cell_of_many_lines_shows_what_is_before_it(tmp_path: Path) -> None:
    """A long comment that the cut hits is not called an error of the file."""
    text = "image,label,note\n" + "a.png,Coat,short\n" * 20 + 'b.png,Bag,"' + "line\n" * 30
    assert preview(tmp_path, "a.csv", text.encode()).labels == {"Coat": pytest.approx(12, abs=8)}


def test_an_error_names_its_row(tmp_path: Path) -> None:
    """What is wrong with the file so far is said as an audit would say it."""
    with pytest.raises(LabelFileError, match=r"row 2 \(line 3\) has 3 cells") as error:
        preview(tmp_path, "a.csv", b"image,label\na.png,Coat\nb.png,Coat,Bag\nc.png,Bag\n")
    assert error.value.row == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"image": "a.png", "label": "Coat"}\n{"image": "b.p'),
        ("a.tsv", b"image\tlabel\na.png\tCoat\nb.p"),
        ("a.csv", b"image;label\ra.png;Coat\rb.p"),
        ("a.json", b'[{"image": "a.png", "label": "Coat"}]'),
    ],
)
def test_all_that_is_read_by_lines_can_be_cut(tmp_path: Path, name: str, content: bytes) -> None:
    """JSON Lines, TSV and the files of old Macs are previewed like CSV; JSON is read whole."""
    shown = preview(tmp_path, name, content, whole=name.endswith(".json"))
    assert (shown.rows, shown.labels) == ([["a.png", "Coat"]], {"Coat": 1})
