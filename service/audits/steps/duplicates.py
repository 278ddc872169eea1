"""Rows that show the same image under different labels: found over all chunks, and judged together."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.duplicates import Duplicates, find_duplicates
from audit.joint_labels import score_jointly
from audit.noise_model import NoiseModel
from models.groups import SimilarityGroups
from service.audits.steps.answers import Answers, judged_chunks
from service.audits.steps.given import GivenLabels


@dataclass(frozen=True)
class SharedImages:
    """The rows whose image bears another label elsewhere, m of them, and their answers."""

    summary: NDArray[np.str_]
    """``[1]``: the counts for the report, as JSON."""
    rows: NDArray[np.int64]
    """``[m]``, sorted row numbers."""
    log_odds: NDArray[np.float64]
    p_confusable: NDArray[np.float64]
    suggested: NDArray[np.intp]

    @classmethod
    def find(
        cls, folder: Path, answers: Answers, given: GivenLabels, groups: SimilarityGroups, noise: NoiseModel
    ) -> Self:
        """Look through all chunks; the file's own probabilities come without images, and so without duplicates."""
        rows, found = _duplicates(folder, answers, given)
        odd = np.flatnonzero(found.conflict)
        probabilities: list[NDArray[np.floating]] = [np.empty((0, len(answers.plan.classes)))]
        for numbers, inferred in judged_chunks(folder, answers.plan):
            wanted = np.isin(numbers, rows[odd])
            if wanted.any():
                probabilities.append(answers.of(inferred, numbers, wanted))
        scores = score_jointly(
            np.concatenate(probabilities),
            given.given[rows[odd]],
            given.trusted[rows[odd]],
            found.cluster[odd],
            groups,
            noise,
        )
        summary = np.array([json.dumps(found.to_json())])
        return cls(summary, rows[odd], scores.log_odds, scores.p_confusable, scores.suggested)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays, named ``shared.…``."""
        return {f"shared.{each.name}": getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Read what ``to_arrays`` gave."""
        return cls(**{each.name: arrays[f"shared.{each.name}"] for each in fields(cls)})


def _duplicates(folder: Path, answers: Answers, given: GivenLabels) -> tuple[NDArray[np.int64], Duplicates]:
    """Return the numbers of the judged rows, and which of them show equal or nearly equal images."""
    parts = [(rows, inferred.hashes, inferred.descriptors) for rows, inferred in judged_chunks(folder, answers.plan)]
    rows, hashes, descriptors = (np.concatenate(column) for column in zip(*parts, strict=True))
    if answers.plan.basis == "columns":
        return rows, Duplicates.none(len(rows))
    return rows, find_duplicates(hashes, descriptors, given.given[rows])
