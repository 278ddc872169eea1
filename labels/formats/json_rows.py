"""The rows of a table as objects of JSON, one after the other."""

import io
import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from labels.formats.write_table import with_bytes_as_text

_AT_ONCE = 10_000


def json_rows(table: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield each row with its values as ``write_table`` writes them to JSONL."""
    for start in range(0, table.height, _AT_ONCE):
        buffer = io.BytesIO()
        with_bytes_as_text(table.slice(start, _AT_ONCE)).write_ndjson(buffer)
        yield from map(json.loads, buffer.getvalue().splitlines())
