"""Label files come back cell for cell."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from labels.errors import LabelFileError
from labels.formats.write_table import write_table
from labels.images.names import normalise_name
from labels.label_file import read_label_file

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "007", '"', '""', ",", "\n", "\r\n", "\r", "\t", " a ", "a\nb", "NA", "null", "1e5", "=1+1", "\x00", "\u2028"]
)
NAMES = st.lists(TEXT.filter(lambda name: name not in {"label", "trusted"}), max_size=3, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    names = ["label", *draw(NAMES)]
    rows = draw(st.integers(1, 6))
    return pl.DataFrame({name: draw(st.lists(TEXT, min_size=rows, max_size=rows)) for name in names})


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@settings(max_examples=50, deadline=None)
@given(table=tables())
def test_round_trip(suffix: str, table: pl.DataFrame) -> None:
    """Whatever text a label file holds, reading and writing it changes no cell, no column and no order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels.{suffix}"
        write_table(table, path)
        first = read_label_file(path)
        assert_frame_equal(first.table, table)
        write_table(first.table, path)
        assert_frame_equal(read_label_file(path).table, table)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=80) | TEXT.map(lambda text: f"label,image\n{text}\n".encode()))
def test_any_bytes(suffix: str, content: bytes) -> None:
    """Any upload is read or refused by a LabelFileError: nothing else comes out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels.{suffix}"
        path.write_bytes(content)
        try:
            label_file = read_label_file(path)
        except LabelFileError:
            return
        assert len(label_file.given) == len(label_file.images) == len(label_file.trusted) == label_file.table.height


@given(st.text() | st.lists(st.sampled_from(["..", ".", "", "a", "/", "\\", "c:", "b.png"])).map("/".join))
def test_names_stay_inside(name: str) -> None:
    """A normalised name has no way out, and normalising it again changes nothing."""
    normal = normalise_name(name)
    if normal is not None:
        assert not normal.startswith("/")
        assert "\\" not in normal
        assert not {"..", ".", ""} & set(normal.split("/"))
        assert normalise_name(normal) == normal
