"""Confidence labels: for each given class, the probability of every class (Gare and Galeotti 2021, section 3.1)."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from models.errors import LookalikeError
from models.groups import SimilarityGroups


class ConfidenceLabelsError(LookalikeError):
    """The file is not a confidence-label file; the message names the place."""


class ConfidenceLabels(BaseModel):
    """One row per given class, for samples whose label is not trusted and for those whose label is.

    Both matrices are ``[K, K]``: row = given class, column = class, entries in [0, 1], rows sum to 1. This is also the
    file format: ``{"classes": [..], "untrusted": [[..]], "trusted": [[..]]}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[str, ...]
    untrusted: tuple[tuple[float, ...], ...]
    trusted: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _rows_are_distributions(self) -> Self:
        size = len(self.classes)
        if size == 0 or len(set(self.classes)) != size:
            raise ValueError("classes must be unique and at least one")
        for which, rows in (("untrusted", self.untrusted), ("trusted", self.trusted)):
            if len(rows) != size:
                raise ValueError(f"{which} has {len(rows)} rows for {size} classes")
            for name, row in zip(self.classes, rows, strict=True):
                if len(row) != size:
                    raise ValueError(f"{which}: the row of {name!r} has {len(row)} entries for {size} classes")
                if not all(0 <= value <= 1 for value in row) or abs(sum(row) - 1) > 1e-6:
                    raise ValueError(f"{which}: the row of {name!r} is not a distribution (entries in [0, 1], sum 1)")
        return self

    @property
    def untrusted_matrix(self) -> NDArray[np.float64]:
        """``[K, K]``, for samples whose label may be wrong."""
        return np.array(self.untrusted, dtype=np.float64)

    @property
    def trusted_matrix(self) -> NDArray[np.float64]:
        """``[K, K]``, for samples whose label was verified."""
        return np.array(self.trusted, dtype=np.float64)


def from_groups(groups: SimilarityGroups, *, own_untrusted: float = 0.6, own_trusted: float = 0.95) -> ConfidenceLabels:
    """Give each class its own share and spread the rest evenly over the other members of its group.

    The defaults are the paper's values (section 4.1). A class that stands alone keeps all of its mass.
    """
    return ConfidenceLabels(
        classes=groups.classes,
        untrusted=_spread(groups, own_untrusted),
        trusted=_spread(groups, own_trusted),
    )


def _spread(groups: SimilarityGroups, own: float) -> tuple[tuple[float, ...], ...]:
    if not 0 < own <= 1:
        raise ValueError(f"a class's own share must be in (0, 1], not {own}")
    mates = groups.membership & ~np.eye(len(groups.classes), dtype=bool)
    count = mates.sum(axis=1, keepdims=True)
    labels = np.where(mates, (1 - own) / np.maximum(count, 1), 0.0)
    np.fill_diagonal(labels, np.where(count[:, 0] > 0, own, 1.0))
    return tuple(map(tuple, labels.tolist()))


def read_confidence_labels(path: Path) -> ConfidenceLabels:
    """Read a confidence-label file; raises ``ConfidenceLabelsError`` saying which row is wrong."""
    try:
        return ConfidenceLabels.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfidenceLabelsError(f"{path.name}: {where + ': ' if where else ''}{first['msg']}") from error


def write_confidence_labels(labels: ConfidenceLabels, path: Path) -> None:
    """Write a confidence-label file, whole or not at all."""
    aside = path.with_name(f"{path.name}.part")
    aside.write_text(labels.model_dump_json(indent=1) + "\n")
    aside.replace(path)
