"""What a reader makes of a file, before it is settled which columns hold labels and images."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

LabelFormat = Literal["csv", "tsv", "jsonl", "json", "parquet", "coco", "label-studio", "class-folders", "imagefolder"]


@dataclass(frozen=True, eq=False)  # tables have no one truth value
class Reading:
    """The rows in the file's order, with all that it says of them."""

    table: pl.DataFrame
    format: LabelFormat
    labels: tuple[str, ...] = ()
    """Columns that by the format hold labels; empty: only names can tell."""
    image: str | None = None
    """The column that by the format names the images; None: only names can tell."""
    warnings: tuple[str, ...] = ()
    """What a person should know, in whole sentences."""
