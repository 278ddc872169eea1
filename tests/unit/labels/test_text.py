"""Encodings, line ends and separators of label files in text."""

from pathlib import Path

import pytest

from labels.errors import LabelFileError
from labels.label_file import LabelFile, read_label_file

TEXT = 'image,label\n"a,1.png",Größe\nb.png,"two\nlines"\n'
ROWS = {"image": ["a,1.png", "b.png"], "label": ["Größe", "two\nlines"]}


def read(folder: Path, content: bytes, name: str = "a.csv") -> LabelFile:
    path = folder / name
    path.write_bytes(content)
    return read_label_file(path)


def refusal(folder: Path, content: bytes, name: str = "a.csv") -> str:
    with pytest.raises(LabelFileError) as caught:
        read(folder, content, name)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
def test_a_file_that_says_its_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    """UTF-8, and UTF-16 with a byte order mark as spreadsheets write it, give the same cells without a word."""
    content = TEXT.encode(encoding.removesuffix("-bom"))
    if encoding.endswith("-bom"):
        content = "\ufeff".encode(encoding.removesuffix("-bom")) + content
    file = read(tmp_path, content)
    assert file.table.to_dict(as_series=False) == ROWS
    assert file.warnings == ()


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_is_read_in_both_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    """What holds for CSV holds for JSON."""
    text = '{"image": "a.png", "label": "Größe"}'
    content = text if name == "a.jsonl" else f"[{text}]"
    assert read(tmp_path, content.encode(encoding), name).given == ["Größe"]


def test_windows_1252_is_refused_with_what_it_would_read(tmp_path: Path) -> None:
    """An encoding that the bytes can't prove is refused: line, byte, what it may mean, and the cure are named."""
    for name in ("a.csv", "a.json"):
        message = refusal(tmp_path, "x,label\n1,caf\u00e9 noir\n".encode("cp1252"), name)
        assert "line 2 is not UTF-8 (byte 0xe9 at offset 13 of the file" in message
        assert "'1,caf\u00e9 noir'" in message
        assert "save the file as UTF-8" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label\nx\n".encode("utf-16-le"), "every second byte is 0"),
        ("label\nx\n".encode("utf-16-be"), "every second byte is 0"),
        ("label\nx\n".encode("utf-16") + b"\x00", "after line 2 the file is not UTF-16"),
        (b"\xff\xfel\x00\n\x00\x00\xd8x\x00", "after line 0 the file is not UTF-16"),
        (b"PK\x03\x04rest of an Excel workbook", "save it as CSV"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Halves of characters, and UTF-16 without a mark, are told from text, whatever the file is called."""
    assert message in refusal(tmp_path, content)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(tmp_path: Path, end: str) -> None:
    """Files of Linux, of Windows and of the Macs of old have the same rows, with or without an end at the end."""
    for text in ("image,label\na.png,x\nb.png,y\n", "image,label\na.png,x\nb.png,y"):
        for encoding in ("utf-8", "utf-16"):
            file = read(tmp_path, text.replace("\n", end).encode(encoding))
            assert (file.images, file.given) == (["a.png", "b.png"], ["x", "y"])


@pytest.mark.parametrize(("separator", "shown"), [(";", "';'"), ("\t", r"'\t'"), ("|", "'|'")])
def test_a_separator_that_the_header_shows_is_taken(tmp_path: Path, separator: str, shown: str) -> None:
    """A spreadsheet's CSV with semicolons, tabs or bars is read, commas in its cells stay, and the warnings say so."""
    text = 'image,label,score\na.png,"x;y|z\t",0_5\n'.replace(",", separator).replace("0_5", "0,5")
    file = read(tmp_path, text.encode())
    assert file.table.row(0) == ("a.png", "x;y|z\t", "0,5")
    assert shown in file.warnings[0]


@pytest.mark.parametrize("header", ["label", "label,a;b", '"label;x"', "a;b|label", ";label", "label;"])
def test_a_doubtful_separator_is_a_comma(tmp_path: Path, header: str) -> None:
    """Where commas are there, or two other separators, or an empty name would come of it, nothing is guessed."""
    columns = header.strip('"').split(",")
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{header}\n")
    assert read_label_file(path, label_column=columns[0]).table.columns == columns


def test_rows_are_told_where_the_guessed_separator_fails(tmp_path: Path) -> None:
    """A row that doesn't fit the header is refused by its place, whatever separates the cells."""
    assert "row 2 (line 3) has 1 cell, the header has 2" in refusal(tmp_path, b"image;label\na;b\nc,d\n")
