"""Reading and writing label files, and finding their labels among the classes."""

import errno
import json
import os
import random
import resource
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from labels.errors import LabelFileError
from labels.formats import object_table
from labels.formats.write_table import write_table
from labels.label_file import LabelFile, read_label_file
from labels.resolving import resolve_labels


def file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **options: str) -> LabelFileError:
    with pytest.raises(LabelFileError) as caught:
        read_label_file(path, **options)
    assert str(caught.value).startswith(path.name)
    return caught.value


def test_csv_is_text(tmp_path: Path) -> None:
    """Cells stay what they are: leading zeros, spaces, NULL-like words and empty cells are never reinterpreted."""
    path = file(tmp_path, "a.csv", "image,label,note\n001.png,007, 1.0 \n002.png,NA,\n003.png,true,null\n")
    label_file = read_label_file(path)
    assert label_file.given == ["007", "NA", "true"]
    assert label_file.images == ["001.png", "002.png", "003.png"]
    assert label_file.table["note"].to_list() == [" 1.0 ", "", "null"]
    assert label_file.format == "csv"


def test_csv_dialects(tmp_path: Path) -> None:
    """A spreadsheet's file works: byte order mark, CRLF, quotes, line breaks within a cell, blank lines at the end."""
    text = '\ufeffimage,label\r\n"a,1.png","line\nbreak ""quoted"""\r\nb.png,\u00e9\U0001f600\r\n\r\n'
    label_file = read_label_file(file(tmp_path, "A.CSV", text))
    assert label_file.table.columns == ["image", "label"]
    assert label_file.given == ['line\nbreak "quoted"', "\u00e9\U0001f600"]
    assert label_file.images == ["a,1.png", "b.png"]


def test_tsv_keeps_commas(tmp_path: Path) -> None:
    """A tab-separated file is split at tabs only."""
    assert read_label_file(file(tmp_path, "a.tsv", "label\timage\na,b\tc.png\n")).given == ["a,b"]


def test_jsonl_columns_are_a_union(tmp_path: Path) -> None:
    """Lines may have different keys: the table has them all, in the order in which they appear."""
    lines = '{"label": "a", "x": 1}\n\n{"y": 0.5, "label": null}\r\n{"label": "c", "y": 2, "x": 7}'
    label_file = read_label_file(file(tmp_path, "a.jsonl", lines))
    assert label_file.table.to_dict(as_series=False) == {
        "label": ["a", None, "c"],
        "x": [1, None, 7],
        "y": [None, 0.5, 2.0],
    }
    assert label_file.image_column is None
    assert label_file.images == [None, None, None]


def test_jsonl_values_are_not_altered(tmp_path: Path) -> None:
    """Mixed, nested and huge values are kept, as JSON text where a column has no one kind."""
    rows = [
        {"label": 7, "box": [1, 2], "big": 2**80, "free": {"a": 1}, "flag": True},
        {"label": "7", "box": [3], "big": 1, "free": {"b": [None]}, "flag": False},
    ]
    path = file(tmp_path, "a.jsonl", "\n".join(json.dumps(row) for row in rows))
    table = read_label_file(path).table
    assert table["label"].to_list() == ["7", "7"]
    assert table["box"].to_list() == [[1, 2], [3]]
    assert table["big"].to_list() == [str(2**80), "1"]
    assert [json.loads(cell) for cell in table["free"]] == [row["free"] for row in rows]
    assert table["flag"].to_list() == [True, False]


@pytest.mark.parametrize(
    ("name", "content", "message", "row"),
    [
        ("a.csv", "label,image\na,b\nc\n", r"row 2 \(line 3\) has 1 cell, the header has 2", 2),
        ("a.csv", 'label,image\n"x\ny",b\nc,d,e\n', r"row 2 \(line 4\) has 3 cells", 2),
        ("a.csv", "label,image,label\na,b,c\n", "names the column 'label' twice", None),
        ("a.csv", "klass,image\na,b\n", "say which of 'klass', 'image' it is", None),
        ("a.csv", "label,image\n", "no rows", None),
        ("a.csv", "", "is empty", None),
        ("a.csv", 'label\na\n"never closed\nb\nc\n', r"row 2 \(line 3\) is not .*: a quote in it is never closed", 2),
        ("a.csv", 'label,x\n"a\n\nb",c\n"d\ne"f,g\n', r"row 2 \(line 5\) is not well-formed: '[,]' expected", 2),
        ("a.csv", b"label\nfine\n\xe9t\xe9\n", r"line 3 is not UTF-8 \(byte 0xe9 at offset 11", None),
        ("a.csv", b"\xef\xbb\xbflabel\n\xff\n", "byte 0xff at offset 9 ", None),
        ("a.csv", b"label\nx\ry\r", "line ends", 1),
        ("a.csv", "label\n" + "x" * 200_000, "row 1 .* field larger", 1),
        ("a.csv", ",".join(f"c{i}" for i in range(10_001)), "10001 columns, at most 10000", None),
        ("a.csv", "label,trusted\na,yes\nb,maybe\n", "row 2: the column trusted says 'maybe'", 2),
        ("a.jsonl", '{"label": "a"}\n{"label": \n', "line 2 is not one JSON object", 2),
        ("a.jsonl", '{"label": "a"}\n\n["b"]\n', "line 3 is no JSON object", 2),
        ("a.jsonl", '{"label": NaN}', "NaN is not JSON", 1),
        ("a.jsonl", '{"label": "a", "label": "b"}', "'label' comes twice", 1),
        ("a.jsonl", '{"label": "\\ud800"}', "line 1 is not one JSON", 1),
        ("a.jsonl", '{"label": "a", "x": 1e999}', "1e999 is larger than any number", 1),
        ("a.jsonl", '{"label": ' + "[" * 100_000, "line 1 is", 1),
        ("a.jsonl", '{"label": "a", "x": ' + "[" * 40 + "]" * 40 + "}", "more than 32 levels", 1),
        ("a.jsonl", '{"label": ["a"]}', "holds List", None),
        ("a.jsonl", '{"label": ' + "9" * 5000 + "}", "line 1 is not one JSON", 1),
        ("a.jsonl", json.dumps({f"c{i}": 1 for i in range(10_001)}), "10001 columns", None),
        ("a.parquet", b"PAR1 this is not one PAR1", "not a Parquet file", None),
        ("a.parquet", b"", "not a Parquet file", None),
        ("a.xlsx", b"PK", "is a spreadsheet: save it as CSV", None),
        ("labels", b"label\na\n", ".csv, .tsv, .jsonl, .json or .parquet", None),
    ],
)
def test_errors_name_place_and_cure(
    tmp_path: Path, name: str, content: str | bytes, message: str, row: int | None
) -> None:
    """A file that can't be used is refused with the place of the trouble."""
    error = refusal(file(tmp_path, name, content))
    assert error.row == row
    with pytest.raises(LabelFileError, match=message):
        raise error


def test_missing_file_and_columns(tmp_path: Path) -> None:
    """A wrong path or a wrong option is told apart from a wrong file."""
    assert "No such file" in str(refusal(tmp_path / "nowhere.csv"))
    assert "No such file" in str(refusal(tmp_path / "nowhere.parquet"))
    path = file(tmp_path, "a.csv", "klass,picture\nx,y.png\n")
    label_file = read_label_file(path, label_column="klass", image_column="picture")
    assert (label_file.given, label_file.images) == (["x"], ["y.png"])
    assert "image_column" in str(refusal(path, label_column="klass", image_column="file"))


def test_sparse_columns_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small JSONL file can't blow up into a huge table by giving each line a column of its own, or few lines many."""
    monkeypatch.setattr(object_table, "MAX_TEXT_CELLS", 50_000)
    wide = json.dumps({f"c{i}": 1 for i in range(240)})
    lines = [wide, *["{}"] * 240, wide]
    assert "more than 50000 cells (209 rows so far" in str(refusal(file(tmp_path, "a.jsonl", "\n".join(lines))))
    lines = [f'{{"c{i}":1}}' for i in range(240)]
    assert "more than 50000 cells" in str(refusal(file(tmp_path, "a.jsonl", "\n".join(lines))))


def test_trusted(tmp_path: Path) -> None:
    """The column trusted is understood however it is written, and an empty cell is not trusted."""
    text = "label,trusted\n" + "".join(f"a,{word}\n" for word in ["true", "FALSE", "1", "0", "Yes", "no", "", "1.0"])
    expected = [True, False, True, False, True, False, False, True]
    assert read_label_file(file(tmp_path, "a.csv", text)).trusted.tolist() == expected
    table = pl.DataFrame({"label": ["a", "b", "c"], "trusted": [True, None, False]})
    write_table(table, tmp_path / "a.parquet")
    assert read_label_file(tmp_path / "a.parquet").trusted.tolist() == [True, False, False]
    assert read_label_file(file(tmp_path, "b.csv", "label\na\n")).trusted.tolist() == [False]


def labelled(labels: list[str | None], images: list[str | None] | None = None) -> LabelFile:
    columns = {"label": labels} | ({"image": images} if images else {})
    table = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return LabelFile(table, "label", "image" if images else None, "csv")


def test_labels_match_by_exact_name() -> None:
    """A label is a class only if it is written exactly alike; the others are counted and shown."""
    resolved = resolve_labels(labelled(["Coat", "coat", " Coat", "Dress", None, ""]), ["Dress", "Coat"])
    assert resolved.indices.dtype == np.int64
    assert resolved.indices.tolist() == [1, -1, -1, 0, -1, -1]
    assert resolved.warnings == [
        "4 of 6 labels are not among the classes: 'coat', ' Coat', (none), ''; first in rows 2, 3, 5, 6."
    ]


def test_whole_numbers_are_indices() -> None:
    """Labels that are all class indices are taken as such, with a warning that says what 0 means."""
    resolved = resolve_labels(labelled(["1", "0", None]), ["Dress", "Coat"])
    assert resolved.indices.tolist() == [1, 0, -1]
    assert "0 = 'Dress'" in resolved.warnings[0]


@pytest.mark.parametrize("labels", [["0", "2"], ["0", "-1"], ["00", "01"], ["0", "Coat"], ["0", "1.0"]])
def test_doubtful_numbers_are_no_indices(labels: list[str]) -> None:
    """One label that is out of range, padded or a name: then numbers are not taken for indices."""
    indices = resolve_labels(labelled(labels), ["Dress", "Coat"]).indices
    assert indices[0] == -1


def test_numeric_class_names_go_first() -> None:
    """Where classes are named by digits, a digit is a name and not an index."""
    assert resolve_labels(labelled(["1", "0"]), ["1", "0"]).indices.tolist() == [0, 1]
    assert resolve_labels(labelled(["1", "0"]), ["1", "0"]).warnings == []


def test_repeated_images_are_told() -> None:
    """Rows that name one image twice, however they write it, are counted with their places."""
    label_file = labelled(["a"] * 5, ["x/1.png", "./x/1.png", None, "2.png", "x\\1.png"])
    assert resolve_labels(label_file, ["a"]).warnings == [
        "2 rows name an image that an earlier row names too: first in rows 2, 5."
    ]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_write_replaces_whole_files(tmp_path: Path, suffix: str) -> None:
    """A write replaces the file in one step, and one that fails leaves the old file and nothing else."""
    path = tmp_path / f"out.{suffix}"
    write_table(pl.DataFrame({"label": ["old"]}), path)
    write_table(pl.DataFrame({"label": ["new", "er"]}), path)
    assert read_label_file(path).given == ["new", "er"]
    broken = pl.DataFrame({"label": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises((pl.exceptions.PolarsError, pl.exceptions.PanicException)):
        write_table(broken, path)
    assert read_label_file(path).given == ["new", "er"]
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_full_disk_is_known_by_its_number(tmp_path: Path, suffix: str) -> None:
    """Whatever the format, a table without room is an error of the disk's own kind, and no part of it stays."""
    table = pl.DataFrame({"label": [random.Random(i).randbytes(1000).hex() for i in range(200)]})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            write_table(table, tmp_path / f"a{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffix_writes_nothing(tmp_path: Path) -> None:
    """Another suffix is refused before anything is written."""
    with pytest.raises(ValueError, match=r"\.csv, \.tsv, \.jsonl or \.parquet"):
        write_table(pl.DataFrame({"a": [1]}), tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_scores_survive_csv(tmp_path: Path) -> None:
    """Numbers written to CSV come back as the same numbers, and what CSV can't hold is readable text."""
    numbers = [0.1, 1e-300, 1 / 3, 12345678901234567.0]
    table = pl.DataFrame(
        {"label": list("abcd"), "p": numbers, "box": [[1, 2], None, [], [3]], "raw": [b"\xff", None, b"", b"a"]}
    )
    write_table(table, tmp_path / "a.csv")
    back = read_label_file(tmp_path / "a.csv").table
    assert [float(cell) for cell in back["p"]] == numbers
    assert back["box"].to_list() == ["[1, 2]", "", "[]", "[3]"]
    assert back["raw"].to_list() == ["/w==", "", "", "YQ=="]
    write_table(table, tmp_path / "a.jsonl")
    assert read_label_file(tmp_path / "a.jsonl").table["box"].to_list() == [[1, 2], None, [], [3]]
