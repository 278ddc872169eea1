"""What an audit says about the data set as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audit.asymmetry import Asymmetry, excess_in_group, judge, noise_in
from audit.cautions import cautions
from audit.evidence import Evidence
from audit.interval import Interval
from audit.joint import (
    anchor_counts,
    anchor_joint,
    confusion_matrix,
    corrected_joint,
    draw_anchor_measures,
    draw_corrected_joints,
    is_correctable,
)
from audit.noise_model import NoiseModel
from audit.tally import Tally
from audit.two_rates import likely_measures
from models.groups import SimilarityGroups

EvidenceKind = Literal["reference", "cross_validated"]
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
    image_dependent: Interval
    """Share of the wrong labels that gather on hard images, whatever their class."""
    tally: Tally
    rates: NDArray[np.float64]
    """``[true, given]``, rows sum to 1: the transition matrix of the rows that are not trusted."""
    expected_precision: tuple[tuple[int, float], ...]
    """(budget, share of wrong labels expected among so many rows from the top of the ranking)."""
    warnings: tuple[str, ...]
    groups: SimilarityGroups
    evidence: EvidenceKind

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
            "image_dependent": self._image_dependent(),
            "transition": {
                "classes": list(self.classes),
                "counts": self.tally.counts.tolist(),
                "rates": self.rates.tolist(),
            },
            "expected_precision": [
                {"budget": budget, "precision": precision} for budget, precision in self.expected_precision
            ],
            "warnings": list(self.warnings),
            "groups": self.groups.as_lists(),
            "per_class": list(_per_class(self.tally, self.classes)),
            "per_group": list(_per_group(self.tally, self.groups)),
        }

    def _image_dependent(self) -> dict[str, float]:
        interval = self.image_dependent.clipped(0, 1)
        return {"share": interval.estimate, "low": interval.low, "high": interval.high}


def report_on(
    evidence: Evidence,
    noise: NoiseModel,
    tally: Tally,
    p_wrong: NDArray[np.float64],
    kind: EvidenceKind,
    rng: np.random.Generator,
) -> DataSetReport:
    """Sum up.

    ``evidence`` is the sample that the noise model was fitted on, ``tally`` counts all scored rows, ``p_wrong`` is
    that of the rows that are not trusted. ``rng`` draws the bootstrap.
    """
    scored = int(tally.rows.sum())
    rate = noise_in(tally.counts) / scored
    corrected = evidence.validation_counts is not None and is_correctable(evidence.validation_counts)
    excess, noise_rate = _measure(evidence, noise, tally, rate, rng, corrected=corrected)
    slips = _image_dependent(noise, tally)
    return DataSetReport(
        classes=evidence.groups.classes,
        scored=scored,
        flagged=int(tally.flagged.sum()),
        noise_rate=noise_rate,
        asymmetry=judge(scored, excess, noise_rate, evidence.groups.membership, corrected=corrected),
        image_dependent=slips,
        tally=tally,
        rates=_rates(tally, noise),
        expected_precision=expected_precision(p_wrong, int(tally.flagged.sum())),
        warnings=tuple(
            cautions(
                evidence,
                noise,
                tally,
                rate,
                slips.estimate,
                corrected=corrected,
                cross_validated=kind == "cross_validated",
            )
        ),
        groups=evidence.groups,
        evidence=kind,
    )


def expected_precision(p_wrong: NDArray[np.float64], flagged: int) -> tuple[tuple[int, float], ...]:
    """Mean P(wrong) of the top rows at budgets 10, 20, 50, 100, ..., the flagged count, and every row left to review.

    The rows are those up for review; where there is none the answer is empty.
    """
    ranked = np.sort(p_wrong)[::-1]
    n = len(ranked)
    budgets = {m * 10**e for e in range(1, len(str(n)) + 1) for m in (1, 2, 5)} | {flagged, n}
    total = np.cumsum(ranked)
    return tuple((b, min(float(total[b - 1] / b), 1.0)) for b in sorted(budgets) if 1 <= b <= n)


def _measure(
    evidence: Evidence, noise: NoiseModel, tally: Tally, rate: float, rng: np.random.Generator, *, corrected: bool
) -> tuple[Interval, Interval]:
    """Return the excess, and the noise rate: the fitted estimate, with an interval that covers what other ways find.

    Counting predictions assumes least, but pays for every confusion of the model; the likelihood of two rates
    (``audit/two_rates.py``) is more exact and takes its place where counting doesn't contradict it, for the rate only
    where no annotator errs on hard images. The interval of the rate covers the estimate, and the rates of the
    annotators that the labels can't tell from the one chosen. It never shrinks because rates stop at 0.
    """
    share = 1 - tally.trusted.sum() / tally.rows.sum()
    if share == 0:
        return Interval(0.0, 0.0, 0.0), Interval(rate, rate, rate)
    membership = evidence.groups.membership
    if corrected and evidence.validation_counts is not None:
        J = tally.given_by_predicted.astype(np.float64)
        joint = corrected_joint(J / J.sum(), confusion_matrix(evidence.validation_counts))
        joints = draw_corrected_joints(J, evidence.validation_counts, rng)
        drawn = np.array([(excess_in_group(draw, membership), noise_in(draw)) for draw in joints])
        slack = 0.0
    else:
        rows = ~evidence.trusted
        anchors, predicted = anchor_counts(evidence.probabilities[rows], evidence.given[rows])
        joint = anchor_joint(anchors, predicted)
        drawn = draw_anchor_measures(anchors, predicted, membership, rng)
        slack = UNCORRECTED_ERROR
    drawn *= share
    excess = Interval.around(share * excess_in_group(joint, membership), drawn[:, 0])
    measured = Interval.around(share * noise_in(joint), drawn[:, 1])
    if corrected and evidence.validation_counts is not None and not noise.recalibration.is_shifted:
        likely = likely_measures(evidence, noise.recalibration, evidence.validation_counts)
        likely_excess, likely_rate = (interval.times(share) for interval in likely)
        contradicted = not excess.holds(likely_excess.estimate)
        excess = excess.covering(np.array([likely_excess.estimate])) if contradicted else likely_excess
        if measured.holds(likely_rate.estimate) and not noise.weight:
            measured = likely_rate
    return excess, measured.stretched_to(rate).covering(share * np.array(noise.other_rates)).widened(slack)


def _image_dependent(noise: NoiseModel, tally: Tally) -> Interval:
    """Return the share of the wrong labels that are slips on hard images."""
    wrong = noise_in(tally.counts)
    untrusted = int((tally.rows - tally.trusted).sum())
    slack = 1.96 * noise.weight_error
    if not noise.weight:
        unseen = slack * noise.slip_error * untrusted
        return Interval(0.0, 0.0, unseen / max(unseen + wrong, 1e-9))
    share = float(tally.slips[0]) / max(wrong, 1e-9)
    return Interval(share, *(share * (noise.weight + side * slack) / noise.weight for side in (-1, 1)))


def _rates(tally: Tally, noise: NoiseModel) -> NDArray[np.float64]:
    """Return the transition matrix of the rows that are not trusted, both channels together; rows sum to 1."""
    counts = tally.counts - np.diag(tally.trusted) + noise.transition  # one row a class by the fit: none is empty
    rates: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return rates


def _per_class(tally: Tally, classes: tuple[str, ...]) -> Iterator[dict[str, object]]:
    wrong = tally.counts.sum(axis=0) - tally.counts.diagonal()
    for k, name in enumerate(classes):
        rows = int(tally.rows[k])
        yield {
            "class": name,
            "rows": rows,
            "flagged": int(tally.flagged[k]),
            "noise_rate": float(wrong[k] / rows) if rows else None,
        }


def _per_group(tally: Tally, groups: SimilarityGroups) -> Iterator[dict[str, object]]:
    wrong = tally.counts - np.diag(tally.counts.diagonal())
    for members in groups.distinct():
        if len(members) == 1:
            continue
        rows = int(tally.rows[members].sum())
        yield {
            "classes": [groups.classes[k] for k in members],
            "rows": rows,
            "flagged": int(tally.flagged[members].sum()),
            "noise_rate": float(wrong[:, members].sum() / rows) if rows else None,
            "confusable_rate": float(wrong[np.ix_(members, members)].sum() / rows) if rows else None,
        }
