"""The objects that steps leave for one another: written aside and renamed, and always the same bytes."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labels.formats.disk_errors import disk_errors


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write a file under; when the block ends well, it is ``path``.

    Two workers on the same object are no harm: both write the same bytes, and a reader finds one of them, whole.
    """
    path.parent.mkdir(exist_ok=True)  # not its parents: the folder of an audit that was removed must not come back
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with disk_errors():
            yield part
        _sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def put_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an ``.npz`` of plain arrays."""
    with aside(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def get_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what ``put_arrays`` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def get_array(path: Path, name: str) -> NDArray[Any]:
    """Read one of the arrays that ``put_arrays`` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        array: NDArray[Any] = arrays[name]
    return array


def put_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write files into a new folder, then make it ``path``; another worker's may be there already."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    part.mkdir()
    try:
        with disk_errors():
            fill(part)
        for file in part.iterdir():
            _sync(file)
        try:
            part.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def scan_table(path: Path) -> pl.LazyFrame:
    """The Parquet file of this very name: left to itself, polars takes ``[`` and ``*`` in it for a pattern."""
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
