"""Parquet label files: every type comes as it is, and a file made to do harm ends nobody's process."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from labels.errors import LabelFileError
from labels.formats import unpack_parquet
from labels.formats.parquet import read_parquet
from labels.label_file import read_label_file


def test_parquet_types(tmp_path: Path) -> None:
    """Labels in any Parquet type read as text; whole numbers that pandas made floats have no .0."""
    categories = pl.Series("label", ["x", "y", None], dtype=pl.Categorical)
    for values, expected in [
        (pl.Series("label", [1.0, None, 3.0]), ["1", None, "3"]),
        (pl.Series("label", [1, 2, 3], dtype=pl.Int8), ["1", "2", "3"]),
        (pl.Series("label", [0.5, 1.0, None]), ["0.5", "1.0", None]),
        (categories, ["x", "y", None]),
    ]:
        path = tmp_path / "odd [name]*.parquet"
        values.to_frame().write_parquet(path)
        label_file = read_label_file(path)
        assert label_file.given == expected
        assert label_file.table["label"].dtype == values.dtype


def test_every_type_is_kept(tmp_path: Path) -> None:
    """Records, lists, bytes, categories, times and decimals come through the other process unchanged."""
    table = pl.DataFrame(
        {
            "label": pl.Series(["a", None], dtype=pl.Enum(["a", "b"])),
            "": [{"bytes": b"\xff", "path": None}, None],
            "boxes": pl.Series([[[1, 2]], []], dtype=pl.List(pl.Array(pl.Int8, 2))),
            "at": pl.Series([0, 10**15], dtype=pl.Datetime("us", "Europe/Zurich")),
            "for": pl.Series([1, None], dtype=pl.Duration("ms")),
            "price": pl.Series(["1.10", None]).cast(pl.Decimal(20, 2)),
            "share": [float("nan"), -0.0],
            "nothing": [None, None],
        }
    )
    path = tmp_path / "a.parquet"
    table.write_parquet(path)
    read = read_parquet(path).table
    assert read.equals(table)
    assert read.schema == table.schema


def test_a_length_that_ends_the_process_is_a_refusal(tmp_path: Path, lying_parquet: bytes) -> None:
    """A file at which polars can only give up is refused by its name, and the process that asked for it goes on."""
    path = tmp_path / "lying.parquet"
    path.write_bytes(lying_parquet)
    with pytest.raises(LabelFileError, match=r"^lying\.parquet: .* not a Parquet file that can be read"):
        read_label_file(path)


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    """A Parquet file with any byte damaged is refused or read."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"label": ["a", "b"] * 50, "x": range(100)}).write_parquet(path)
    whole = path.read_bytes()
    rng = random.Random(3)
    for _ in range(8):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            read_label_file(path)
        except LabelFileError:
            continue


def test_a_long_text_on_every_row_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a kilobyte can't become a table whose texts, written out, fill memory and disk."""
    monkeypatch.setattr(unpack_parquet, "MAX_PARQUET_BYTES", 10**7)
    path = tmp_path / "a.parquet"
    pl.DataFrame({"label": ["x" * 10**5] * 101}).write_parquet(path)
    assert path.stat().st_size < 2000
    with pytest.raises(LabelFileError, match="at most 10000000 are accepted"):
        unpack_parquet.unpack(path)


def test_a_table_beyond_the_memory_is_refused(tmp_path: Path) -> None:
    """Numbers that need more memory than there is cost the process that unpacks them, and are refused."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"label": np.zeros(40_000_000, dtype=np.int64)}).write_parquet(path)
    assert path.stat().st_size < 200_000
    reads = (
        f"from labels.formats.parquet import *\ntry: read_parquet(Path({str(path)!r}))\nexcept LabelFileError: print(1)"
    )
    limited = ["bash", "-c", 'ulimit -d 300000; exec "$@"', "-", sys.executable, "-c", reads]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_no_room_for_the_table_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the unpacked table can't be stored, the error says so instead of blaming the file."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"label": ["a"]}).write_parquet(path)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: open("/dev/full", "wb"))  # noqa: PTH123, SIM115
    with pytest.raises(LabelFileError, match=r"^a\.parquet can't be read: .*No space left on device"):
        read_label_file(path)


def test_memory_that_ends_while_a_table_is_checked_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that just fits is refused like one that doesn't, where looking at it takes the last of the memory."""

    def no_memory(table: pl.DataFrame) -> None:
        raise MemoryError(table.height)

    monkeypatch.setattr(unpack_parquet, "_check_years", no_memory)
    path = tmp_path / "a.parquet"
    pl.DataFrame({"label": ["a"]}).write_parquet(path)
    with pytest.raises(LabelFileError, match="not a Parquet file that can be read"):
        unpack_parquet.unpack(path)


def test_a_reader_that_stands_still_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that neither answers nor ends is ended, and the file refused."""
    monkeypatch.setattr(unpack_parquet, "MOST_SECONDS", 0.01)
    path = tmp_path / "a.parquet"
    pl.DataFrame({"label": ["a"]}).write_parquet(path)
    with pytest.raises(LabelFileError, match="not a Parquet file that can be read"):
        read_parquet(path)


def test_nothing_is_left_where_the_reading_process_is_killed(
    tmp_path: Path, eventually: Callable[[Callable[[], Any], str], Any]
) -> None:
    """Neither the half-written table nor the process that unpacks it outlives a kill -9 of who asked for it."""
    left = tmp_path / "temporary"
    left.mkdir()
    endless = tmp_path / "a.parquet"
    os.mkfifo(endless)  # nobody ever writes to it
    command = "import sys, pathlib, labels.formats.parquet as p; p.read_parquet(pathlib.Path(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", command, endless], env=os.environ | {"TMPDIR": str(left)}) as asking:
        children = Path(f"/proc/{asking.pid}/task/{asking.pid}/children")
        child = int(eventually(lambda: children.read_text().split(), "the file is being read")[0])
        asking.kill()
    try:
        eventually(lambda: not _runs(child), "the process ends")
        assert list(left.iterdir()) == []
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, 9)


def _runs(pid: int) -> bool:
    """Whether there is such a process that has not ended; whoever adopted it may not have asked for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
