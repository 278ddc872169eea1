"""What polars says of a disk that fails: the number of the error stands in its message alone."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

_NUMBER = re.compile(r"\(os error (\d+)\)")


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise what polars couldn't write as the ``OSError`` that it was, by whose number a full disk is known."""
    try:
        yield
    except (pl.exceptions.ComputeError, OSError) as error:
        number = _NUMBER.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
