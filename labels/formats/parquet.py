"""Parquet, through polars in a process of its own (``labels.formats.unpack_parquet`` says why)."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from labels.errors import LabelFileError
from labels.formats import unpack_parquet
from labels.formats.reading import Reading


def read_parquet(path: Path) -> Reading:
    """Read one Parquet file with the types it has; raises ``LabelFileError`` for one that is damaged or too large.

    The unpacked table goes through a temporary file without a name: nothing is left of it, nor of the process, where
    this one is killed. Raises ``OSError`` where there is no room for it.
    """
    # -P: a folder called labels, where the command is run, is not this package.
    command = [sys.executable, "-P", "-m", unpack_parquet.__name__, str(path.absolute()), str(os.getpid())]
    with tempfile.TemporaryFile() as answer:
        try:
            done = subprocess.run(  # noqa: S603 - no shell
                command, stdout=answer, stderr=subprocess.PIPE, check=False, timeout=unpack_parquet.MOST_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise LabelFileError(unpack_parquet.DAMAGED) from error
        if done.returncode == unpack_parquet.REFUSED:
            answer.seek(0)
            raise LabelFileError(answer.read().decode())
        if done.returncode < 0:
            raise LabelFileError(unpack_parquet.DAMAGED)
        if done.returncode > 0:
            raise OSError(errno.EIO, done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        answer.seek(0)
        return Reading(pl.read_ipc(answer), "parquet")
