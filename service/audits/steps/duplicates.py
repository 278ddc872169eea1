"""Rows that show the same image under different labels: found over all chunks, and judged together."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.duplicates import clusters, conflicting, score_jointly
from audit.noise_model import NoiseModel
from models.groups import SimilarityGroups
from service.audits.steps.answers import Answers, judged_chunks
from service.audits.steps.given import GivenLabels


@dataclass(frozen=True)
class Duplicates:
    """What is known of the images that come more than once."""

    images: NDArray[np.int64]
    """``[1]``: how many there are."""
    copies: NDArray[np.int64]
    """``[1]``: rows that show them."""
    rows: NDArray[np.int64]
    """``[m]``, sorted: rows whose image comes with another label too. The rest are their answers."""
    log_odds: NDArray[np.float64]
    p_confusable: NDArray[np.float64]
    suggested: NDArray[np.intp]

    @classmethod
    def find(
        cls, folder: Path, answers: Answers, given: GivenLabels, groups: SimilarityGroups, noise: NoiseModel
    ) -> Self:
        """Look through all chunks; the file's own probabilities come without images, and so without duplicates."""
        if answers.plan.basis == "columns":
            none = np.empty(0)
            zero = np.zeros(1, dtype=np.int64)
            return cls(zero, zero, none.astype(np.int64), none, none, none.astype(np.intp))
        parts = [(rows, inferred.hashes) for rows, inferred in judged_chunks(folder, answers.plan)]
        rows = np.concatenate([part for part, _ in parts])
        cluster = clusters(np.concatenate([hashes for _, hashes in parts]))
        odd = conflicting(cluster, given.given[rows])
        probabilities: list[NDArray[np.floating]] = [np.empty((0, len(answers.plan.classes)))]
        for numbers, inferred in judged_chunks(folder, answers.plan):
            wanted = np.isin(numbers, rows[odd])
            if wanted.any():
                probabilities.append(answers.of(inferred.only(wanted), numbers[wanted]))
        labels = given.given[rows[odd]], given.trusted[rows[odd]]
        scores = score_jointly(np.concatenate(probabilities), *labels, cluster[odd], groups, noise)
        inside = cluster[cluster >= 0]
        return cls(
            images=np.array([len(np.unique(inside))]),
            copies=np.array([len(inside)]),
            rows=rows[odd],
            log_odds=scores.log_odds,
            p_confusable=scores.p_confusable,
            suggested=scores.suggested,
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays, named ``duplicates.…``."""
        return {f"duplicates.{each.name}": getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Read what ``to_arrays`` gave."""
        return cls(**{each.name: arrays[f"duplicates.{each.name}"] for each in fields(cls)})
