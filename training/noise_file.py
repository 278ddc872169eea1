"""Noise for a label file: the input of an experiment whose truth is known."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from labels.formats.write_table import write_table
from labels.label_file import read_label_file
from labels.probabilities import probability_classes, read_probabilities
from labels.resolving import resolve_labels
from models.groups import SimilarityGroups, read_groups
from training.instance_noise import flip_by_confusion
from training.noise import Noise, NoiseError
from training.transition_noise import parse_noise


@dataclass(frozen=True)
class NoisyFile:
    """What was written."""

    changed: int
    """Number of labels that are not as they were."""
    sha256: str
    """Of the file."""


def add_noise(labels: Path, noise: str, groups_file: Path | None, *, seed: int, out: Path) -> NoisyFile:
    """Write a copy of a label file with noise in its column ``label``.

    The noise is in the text form of ``Noise``; or ``transition:FILE``, a transition matrix; or ``confusion:R``, which
    flips a share R of each class where the probability columns ``prob_<class>`` see other classes: of the groups, if
    there is a groups file. The classes are the labels that the file has, in sorted order. Other columns and the order
    of rows stay.
    """
    file = read_label_file(labels)
    for row, label in enumerate(file.given, 1):
        if not label:  # None, or an empty cell of a text file
            raise NoiseError(f"{labels.name}: row {row} has no label")
    classes = tuple(sorted({label for label in file.given if label}))
    groups = read_groups(groups_file, classes) if groups_file else None
    truth = resolve_labels(file, classes).indices
    given = _given(noise, truth, classes, groups, file.table, np.random.default_rng(seed))
    column = pl.Series(file.label_column, [classes[k] for k in given])
    write_table(file.table.with_columns(column), out)
    return NoisyFile(int((given != truth).sum()), hashlib.sha256(out.read_bytes()).hexdigest())


def _given(
    noise: str,
    truth: NDArray[np.int64],
    classes: tuple[str, ...],
    groups: SimilarityGroups | None,
    table: pl.DataFrame,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    confusion = re.fullmatch(r"confusion:(\d*\.?\d+)", noise)
    if confusion:
        if not 0 <= float(confusion[1]) <= 1:
            raise NoiseError(f"noise {noise!r}: the ratio must be in [0, 1]")
        if set(probability_classes(table.columns)) != set(classes):
            raise NoiseError("noise by confusion needs a column prob_<class> for every class and for no other")
        kind = Noise("symmetric") if groups is None else Noise("asymmetric")
        reach = kind.reach(groups or SimilarityGroups.singletons(classes))
        return flip_by_confusion(truth, read_probabilities(table, classes), float(confusion[1]), reach, rng)
    chosen = parse_noise(noise)
    if isinstance(chosen, Noise) and chosen.kind == "asymmetric" and (groups is None or not groups.as_lists()):
        raise NoiseError("asymmetric noise flips inside groups: name a groups file by --groups")
    return chosen.flip(truth, groups or SimilarityGroups.singletons(classes), rng)
