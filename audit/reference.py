"""An audit with ``reference`` evidence: the served model knows the classes and was not trained on these labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from audit.evidence import Evidence
from audit.fit import fit_noise_model
from audit.noise_model import NoiseModel
from audit.posterior import RowScores, score_rows
from audit.report import DataSetReport, report_on
from audit.tally import Tally
from models.groups import SimilarityGroups


@dataclass(frozen=True)
class AuditResult:
    """The row answers, the data-set answer, and the noise model behind both."""

    rows: RowScores
    report: DataSetReport
    noise: NoiseModel


def audit_reference(
    probabilities: ArrayLike,
    given: ArrayLike,
    groups: SimilarityGroups,
    *,
    model_prior: ArrayLike | None = None,
    validation_counts: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    original: ArrayLike | None = None,
    seed: int,
) -> AuditResult:
    """Audit n labels by the model's calibrated probabilities ``[n, K]``.

    ``given`` ``[n]`` are class indices; ``model_prior`` ``[K]`` is the class shares of the model's own data (balanced
    if absent); ``validation_counts`` ``[true, predicted]`` its confusion on clean data; ``trusted`` ``[n]`` marks
    verified labels; ``original`` ``[n]`` is what trusted rows said before (-1: not known). The same input and seed
    give the same answer. Raises ``ValueError`` naming the input that doesn't fit.

    For more rows than memory holds: ``fit_noise_model`` on a sample, then ``score_rows`` chunk by chunk.
    """
    evidence = Evidence.checked(
        probabilities,
        given,
        groups,
        model_prior=model_prior,
        validation_counts=validation_counts,
        trusted=trusted,
        original=original,
    )
    noise = fit_noise_model(evidence)
    rows = score_rows(evidence.probabilities, evidence.given, evidence.trusted, groups, noise)
    tally = Tally.of(evidence.probabilities, evidence.given, evidence.trusted, rows)
    review = ~evidence.trusted
    report = report_on(evidence, noise, tally, rows.p_wrong[review], "reference", np.random.default_rng(seed))
    return AuditResult(rows=rows, report=report, noise=noise)
