"""What stands for each row's image: P(true class | image), by the model, by a probe, or from the file's columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.cross_validated import CrossValidatedFit
from audit.evidence import Evidence
from audit.probe import Probe
from audit.sample import LIMIT, chosen
from models.distribution import class_probabilities
from models.groups import SimilarityGroups
from service.audits.steps.given import GivenLabels
from service.audits.steps.infer import Inferred
from service.audits.steps.plan import Plan
from service.inference.classifier import Classifier

Picked = NDArray[np.bool_] | slice

_ALL = slice(None)
MOST_CELLS = 4_000_000
"""Of the sample's ``n x K`` table: at a thousand classes it has 4,000 rows, and rates are all but pooled."""
MOST_CELLS_TO_LEARN_FROM = 20_000_000
"""Where the labels themselves say how to read the evidence: 20,000 rows at a thousand classes, 160 MB, held twice."""


@dataclass(frozen=True)
class Answers:
    """How a chunk's inferences become probabilities of the true class."""

    plan: Plan
    classifier: Classifier | None
    probe: Probe | None = None
    """Where the model's own answers are no evidence."""
    cleaner: CrossValidatedFit | None = None
    """With cross-validated evidence: from probabilities of the label to those of the truth."""

    def of(self, inferred: Inferred, rows: NDArray[np.int64], picked: Picked = _ALL) -> NDArray[np.floating]:
        """``[n, K]`` for the judged rows of a chunk, whose numbers in the file are ``rows``; or for some of these."""
        found = self._raw(inferred, rows[picked], picked)
        return found if self.cleaner is None else self.cleaner.clean(found)

    def _raw(self, inferred: Inferred, rows: NDArray[np.int64], picked: Picked) -> NDArray[np.floating]:
        if self.probe is not None:
            return self.probe.probabilities(inferred.embeddings[picked], rows)
        scores = inferred.scores[picked]
        if self.plan.basis == "columns":
            return scores
        assert self.classifier is not None
        manifest = self.classifier.manifest
        return class_probabilities(scores, manifest.similarity_groups, manifest.temperature)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays."""
        parts = {"probe": self.probe, "cleaner": self.cleaner}
        return {
            f"{name}.{key}": values
            for name, part in parts.items()
            if part is not None
            for key, values in part.to_arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], plan: Plan, classifier: Classifier | None) -> Self:
        """Read what ``to_arrays`` gave."""
        probe, cleaner = (
            {key.removeprefix(f"{name}."): values for key, values in arrays.items() if key.startswith(f"{name}.")}
            for name in ("probe", "cleaner")
        )
        return cls(
            plan,
            classifier,
            Probe.from_arrays(probe) if probe else None,
            CrossValidatedFit.from_arrays(cleaner, plan.classes) if cleaner else None,
        )


def judged_chunks(folder: Path, plan: Plan) -> Iterator[tuple[NDArray[np.int64], Inferred]]:
    """All chunks in order: the numbers of the rows that can be judged, and what was inferred of them."""
    for chunk in range(len(plan.chunks)):
        inferred = Inferred.of(folder, chunk)
        yield chunk * plan.chunk_rows + inferred.seen, inferred


def sample(
    folder: Path,
    answers: Answers,
    given: GivenLabels,
    groups: SimilarityGroups,
    *,
    validated: bool,
    most_cells: int = MOST_CELLS,
) -> Evidence:
    """Gather the evidence on the rows that a fit, and the report's intervals, look at.

    ``validated``: the answers are the model's own, and its validation counts hold for them.
    """
    plan = answers.plan
    limit = min(LIMIT, max(most_cells // len(plan.classes), 1))
    judged = sum(len(numbers) for numbers, _ in judged_chunks(folder, plan))
    rows, parts = [], []
    for numbers, inferred in judged_chunks(folder, plan):
        picked = chosen(numbers, judged, limit)
        rows.append(numbers[picked])
        parts.append(answers.of(inferred, numbers, picked))
    numbers = np.concatenate(rows)
    counts = answers.classifier.manifest.validation_counts if validated and answers.classifier else None
    return Evidence.checked(
        np.concatenate(parts),
        given.given[numbers],
        groups,
        model_prior=None if counts is None else counts.sum(axis=1) / counts.sum(),
        validation_counts=counts,
        trusted=given.trusted[numbers],
        original=given.original[numbers],
    )
