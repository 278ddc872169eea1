"""The fourth step, chunk by chunk: what each row's label is worth under the fitted noise model."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.posterior import RowScores, score_rows, sigmoid
from audit.tally import Tally
from service.audits.steps.duplicates import SharedImages
from service.audits.steps.files import get_arrays, put_arrays
from service.audits.steps.fit import Fit
from service.audits.steps.given import GivenLabels
from service.audits.steps.infer import Inferred
from service.audits.steps.options import AuditOptions
from service.audits.steps.plan import Plan
from service.inference.classifier import Classifier


@dataclass(frozen=True)
class Scored:
    """The answers for the n rows of a chunk that can be judged; see ``audit.posterior.RowScores``."""

    p_wrong: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    p_confusable: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    suggested: NDArray[np.intp]
    kind: NDArray[np.str_]
    trusted: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    """``[n, K]`` where the rows shall carry them, else ``[n, 0]``."""

    @classmethod
    def load(cls, folder: Path, chunk: int, revision: int) -> tuple[Self, Tally]:
        """Read a chunk that was left by ``score``, and its sums."""
        arrays = get_arrays(scored_file(folder, chunk, revision))
        own = {each.name for each in fields(cls)}
        tally = Tally.from_arrays({name: values for name, values in arrays.items() if name not in own})
        return cls(**{name: arrays[name] for name in own}), tally


def scored_file(folder: Path, chunk: int, revision: int) -> Path:
    """Where the object of a chunk lies."""
    return folder / f"score-{revision}" / f"{chunk:06}.npz"


def score(
    folder: Path,
    plan: Plan,
    options: AuditOptions,
    classifier: Classifier | None,
    chunk: int,
    revision: int,
) -> None:
    """Score a chunk."""
    fitted = Fit.load(folder, plan, classifier, revision)
    inferred = Inferred.of(folder, chunk)
    labels = GivenLabels.load(folder, plan, revision, chunk)
    seen = inferred.seen
    given, trusted = labels.given[seen], labels.trusted[seen]
    probabilities = fitted.answers.of(inferred, chunk * plan.chunk_rows + seen)
    rows = score_rows(probabilities, given, trusted, fitted.groups, fitted.noise)
    tally = Tally.of(probabilities, given, trusted, rows)
    rows, shared = _with_copies(rows, trusted, chunk * plan.chunk_rows + seen, fitted.shared)
    kind = np.where(inferred.outlier & ~rows.flagged, "outlier", rows.kind)
    scored = Scored(
        p_wrong=rows.p_wrong,
        log_odds=rows.log_odds,
        p_confusable=rows.p_confusable,
        flagged=rows.flagged,
        suggested=rows.suggested,
        kind=np.where(shared & rows.flagged, "duplicate", kind),
        trusted=trusted,
        probabilities=probabilities.astype(np.float32)[:, : len(plan.classes) if options.probabilities else 0],
    )
    arrays = {each.name: getattr(scored, each.name) for each in fields(scored)}
    put_arrays(scored_file(folder, chunk, revision), arrays | tally.to_arrays())


def _with_copies(
    scores: RowScores, trusted: NDArray[np.bool_], rows: NDArray[np.int64], copies: SharedImages
) -> tuple[RowScores, NDArray[np.bool_]]:
    """Take the answers of rows whose image bears another label elsewhere from all its labels; say which these are."""
    shared = np.isin(rows, copies.rows)
    at = np.searchsorted(copies.rows, rows[shared])
    log_odds, p_confusable, suggested = scores.log_odds.copy(), scores.p_confusable.copy(), scores.suggested.copy()
    log_odds[shared] = copies.log_odds[at]
    p_confusable[shared] = copies.p_confusable[at]
    suggested[shared] = copies.suggested[at]
    p_wrong = np.where(shared, sigmoid(log_odds), scores.p_wrong)
    flagged = (p_wrong > 0.5) & ~trusted
    changed = replace(
        scores,
        log_odds=log_odds,
        p_wrong=p_wrong,
        p_confusable=np.minimum(p_confusable, p_wrong),
        suggested=suggested,
        flagged=flagged,
    )
    return changed, shared
