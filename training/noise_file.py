"""Noise for a label file: the input of an experiment whose truth is known."""

from pathlib import Path

import numpy as np
import polars as pl

from labels.formats.write_table import write_table
from labels.label_file import read_label_file
from labels.resolving import resolve_labels
from models.groups import SimilarityGroups, read_groups
from training.noise import Noise, NoiseError, flip


def add_noise(labels: Path, noise: Noise, groups_file: Path | None, *, seed: int, out: Path) -> int:
    """Write a copy of a label file with noise in its column ``label``; returns the number of labels changed.

    The classes are the labels that the file has, in sorted order. Other columns and the order of rows stay.
    """
    file = read_label_file(labels)
    for row, label in enumerate(file.given, 1):
        if not label:  # None, or an empty cell of a text file
            raise NoiseError(f"{labels.name}: row {row} has no label")
    classes = sorted({label for label in file.given if label})
    groups = read_groups(groups_file, classes) if groups_file else SimilarityGroups.singletons(classes)
    if noise.kind == "asymmetric" and not groups.as_lists():
        raise NoiseError("asymmetric noise flips inside groups: name a groups file by --groups")
    truth = resolve_labels(file, classes).indices
    given = flip(truth, noise, groups, np.random.default_rng(seed))
    column = pl.Series(file.label_column, [classes[k] for k in given])
    write_table(file.table.with_columns(column), out)
    return int((given != truth).sum())
