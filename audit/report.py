"""What an audit says about the data set as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.asymmetry import LEAST_ROWS, Asymmetry, excess_in_group, judge, noise_in
from audit.evidence import Evidence
from audit.interval import Interval
from audit.joint import (
    anchor_counts,
    anchor_joint,
    confusion_matrix,
    corrected_joint,
    draw_anchor_joints,
    draw_corrected_joints,
    is_correctable,
)
from audit.posterior import RowScores
from audit.transition import NoiseModel

MOST_IN_GROUP_RATE = 0.35
UNCORRECTED_ERROR = 0.01  # what a model's own errors can add to the rate; nothing corrects it without validation counts


@dataclass(frozen=True)
class DataSetReport:
    """The data-set answer; ``to_json`` has the keys of ``report.json`` that an audit of arrays can know."""

    classes: tuple[str, ...]
    scored: int
    flagged: int
    noise_rate: Interval
    """Share of the scored rows; its low end is below 0 where the data can't tell the rate from 0."""
    asymmetry: Asymmetry
    counts: NDArray[np.float64]
    """``[true, given]``: expected number of scored rows; trusted rows lie on the diagonal."""
    rates: NDArray[np.float64]
    """``[true, given]``, rows sum to 1: the transition matrix of the rows that are not trusted."""
    expected_precision: tuple[tuple[int, float], ...]
    """(budget, share of wrong labels expected among so many rows from the top of the ranking)."""
    warnings: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    evidence: str = "reference"

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values; rates are cut to what a share can be, the caller adds ``rows`` and ``model``."""
        return {
            "scored": self.scored,
            "evidence": self.evidence,
            "flagged": self.flagged,
            "noise_rate": self.noise_rate.clipped(0, 1).to_json(),
            "asymmetry": {
                "verdict": self.asymmetry.verdict,
                "excess": self.asymmetry.excess.clipped(-1, 1).to_json(),
            },
            "image_dependent": None,
            "transition": {
                "classes": list(self.classes),
                "counts": self.counts.tolist(),
                "rates": self.rates.tolist(),
            },
            "expected_precision": [
                {"budget": budget, "precision": precision} for budget, precision in self.expected_precision
            ],
            "warnings": list(self.warnings),
            "groups": [list(group) for group in self.groups],
        }


def report_on(evidence: Evidence, noise: NoiseModel, rows: RowScores, rng: np.random.Generator) -> DataSetReport:
    """Sum up; ``rng`` draws the bootstrap."""
    scored = len(evidence.given)
    rate = noise_in(noise.counts) / scored
    corrected = evidence.validation_counts is not None and is_correctable(evidence.validation_counts)
    excess, noise_rate = _measure(evidence, rate, rng, corrected=corrected)
    return DataSetReport(
        classes=evidence.groups.classes,
        scored=scored,
        flagged=int(rows.flagged.sum()),
        noise_rate=noise_rate,
        asymmetry=judge(scored, excess, noise_rate, corrected=corrected),
        counts=noise.counts,
        rates=noise.transition,
        expected_precision=expected_precision(rows.log_odds, rows.p_wrong, evidence.trusted, int(rows.flagged.sum())),
        warnings=tuple(_warnings(evidence, noise, rate, corrected=corrected)),
        groups=tuple(tuple(group) for group in evidence.groups.as_lists()),
    )


def expected_precision(
    log_odds: NDArray[np.float64], p_wrong: NDArray[np.float64], trusted: NDArray[np.bool_], flagged: int
) -> tuple[tuple[int, float], ...]:
    """Mean P(wrong) of the top rows at budgets 10, 20, 50, 100, ..., the flagged count, and every row left to review.

    Trusted rows aren't up for review; with nothing left to review the answer is empty.
    """
    ranked = p_wrong[~trusted][np.argsort(-log_odds[~trusted], kind="stable")]
    n = len(ranked)
    budgets = {m * 10**e for e in range(1, len(str(n)) + 1) for m in (1, 2, 5)} | {flagged, n}
    total = np.cumsum(ranked)
    return tuple((b, min(float(total[b - 1] / b), 1.0)) for b in sorted(budgets) if 1 <= b <= n)


def _measure(
    evidence: Evidence, rate: float, rng: np.random.Generator, *, corrected: bool
) -> tuple[Interval, Interval]:
    """Return the excess, and the noise rate: the EM's estimate, with an interval from counting.

    Counting ignores how sure the model is, so its interval is wide; both ways may be off when their assumptions are, so
    the interval covers the counted one where the two differ. It never shrinks because rates stop at 0.
    """
    K = len(evidence.groups.classes)
    rows = ~evidence.trusted
    share = rows.sum() / len(rows)
    if share == 0:
        return Interval(0.0, 0.0, 0.0), Interval(rate, rate, rate)
    probabilities, given = evidence.probabilities[rows], evidence.given[rows]
    if corrected and evidence.validation_counts is not None:
        cells = given * K + probabilities.argmax(axis=1)
        J = np.bincount(cells, minlength=K * K).reshape(K, K).astype(np.float64)
        joint = corrected_joint(J / J.sum(), confusion_matrix(evidence.validation_counts))
        draws = draw_corrected_joints(J, evidence.validation_counts, rng)
        slack = 0.0
    else:
        anchors, predicted = anchor_counts(probabilities, given)
        joint = anchor_joint(anchors, predicted)
        draws = draw_anchor_joints(anchors, predicted, rng)
        slack = UNCORRECTED_ERROR
    membership = evidence.groups.membership
    drawn = share * np.array([(excess_in_group(draw, membership), noise_in(draw)) for draw in draws])
    excess = Interval.around(share * excess_in_group(joint, membership), drawn[:, 0])
    counted = Interval.around(share * noise_in(joint), drawn[:, 1])
    return excess, counted.stretched_to(rate).widened(slack)


def _warnings(evidence: Evidence, noise: NoiseModel, rate: float, *, corrected: bool) -> Iterator[str]:
    scored = len(evidence.given)
    if scored < LEAST_ROWS:
        yield f"only {scored} rows were scored: fewer than {LEAST_ROWS} are too few for a verdict on asymmetry"
    if evidence.validation_counts is None:
        yield (
            "the model comes without confusion counts on clean validation data: its probabilities may be uncalibrated, "
            "the noise rate is known to 1 % at best, and an excess below 1 % is not called asymmetric"
        )
    elif not corrected:
        yield (
            "the model's clean validation data are too few, or the model too weak, to correct for its confusion: "
            "the verdict rests on its most confident rows, and an excess below 1 % is not called asymmetric"
        )
    error = _model_error(evidence, noise)
    if error > rate:
        yield (
            f"the model is weaker than the labels: it errs on about {error:.1%} of these images, the labels on about "
            f"{rate:.1%}; review from the top of the ranking and stop where the precision falls"
        )
    classes = evidence.groups.classes
    pairs = np.argwhere(noise.standouts)
    if len(pairs):
        true, given = max(pairs, key=lambda pair: noise.counts[pair[0], pair[1]])
        yield (
            f"{len(pairs)} pairs of classes outside the similarity groups are mistaken for one another often, most of "
            f"all {classes[true]!r} labelled {classes[given]!r}: consider adding them to the groups"
        )
    mates = evidence.groups.membership & ~np.eye(len(classes), dtype=bool)
    in_group = np.where(mates, noise.transition, 0.0).sum(axis=1)
    unreliable = np.flatnonzero(in_group > MOST_IN_GROUP_RATE)
    if len(unreliable):
        worst = unreliable[in_group[unreliable].argmax()]
        yield (
            f"{len(unreliable)} classes lose more than {MOST_IN_GROUP_RATE:.0%} of their labels to their similarity "
            f"group ({classes[worst]!r} {in_group[worst]:.0%}): such estimates are unreliable"
        )


def _model_error(evidence: Evidence, noise: NoiseModel) -> float:
    if evidence.validation_counts is None:
        return float(1 - evidence.probabilities.max(axis=1).mean())
    return float(1 - noise.prior @ confusion_matrix(evidence.validation_counts).diagonal())
