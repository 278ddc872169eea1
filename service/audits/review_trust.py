"""Whether a review can be believed, and when it may stop."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from audit.controls import Controls
from audit.interval import Interval as Estimate
from audit.proportion import proportion
from audit.stopping import expected_wrong, fit_shift
from service.audits.decided_rows import CODES
from service.audits.decisions import Verdict
from service.audits.report import Interval
from service.audits.row_index import RowIndex
from service.audits.steps.plan import Plan

Judgement = tuple[int, str | None, Verdict, str | None]
"""Row, author, verdict, label."""
_Said = tuple[Verdict, str | None]

_FEW = 50
"""Decisions. Fewer don't tell how far off the answers are: what is left is known no better than from the report."""


class Decided(TypedDict):
    """Rows by their latest decision."""

    keep: int
    relabel: int
    unsure: int


class Outlook(TypedDict):
    """Rows that nobody has decided about, the most suspicious first, and the wrong labels expected among them."""

    rows: int
    wrong: Interval


class Reviewer(TypedDict):
    """What one person decided, and how he fared with the blind controls."""

    author: str | None
    decisions: int
    """Rows that he decided about; controls are none."""
    right_shown: int
    """Controls whose label was right, and that he did not leave unsure."""
    right_kept: int
    planted_shown: int
    """Controls whose label was wrong."""
    planted_found: int
    hit_rate: Interval | None
    """Share of the controls of both sorts that he judged rightly; null: he saw none."""


class Agreement(TypedDict):
    """Rows that several people judged."""

    rows: int
    agreed: int
    share: Interval | None


class ReviewTrust(TypedDict):
    """How far a review is, and what it is worth."""

    flagged: int
    flagged_left: int
    """Flagged rows that nobody has decided about."""
    decided: Decided
    judged: Decided
    """The same with the blind controls among them: what people did, who can't tell these from rows."""
    scored: bool
    """Whether the answers know all these decisions, and no others: scoring again would change nothing."""
    shift: float
    """What the review found, as a correction of all log-odds: below 0, fewer labels are wrong than expected."""
    next: Outlook
    """The next rows of the ranking, as many as were asked for."""
    left: Outlook
    """All that are left."""
    reviewers: list[Reviewer]
    agreement: Agreement


def review_trust(
    index: RowIndex,
    plan: Plan,
    controls: Controls,
    decided: NDArray[np.uint8],
    judgements: Iterable[Judgement],
    taken_in: Mapping[int, int],
    reported: Estimate,
    ahead: int,
) -> ReviewTrust:
    """Sum up a review.

    ``decided`` has a code of ``CODES`` for each row, and for each control; ``judgements`` are all that were ever taken,
    oldest first; ``taken_in`` are the rows, with their labels, whose decisions the answers know already: they say
    nothing of how good these are. ``reported`` is how many labels are wrong by the report. ``ahead`` is how many rows
    the next outlook is about.
    """
    n = len(index)
    everything, decided = decided, decided[:n]
    judged = ((decided == CODES["keep"]) | (decided == CODES["relabel"])) & ~np.isnan(index.log_odds) & ~index.trusted
    judged[list(taken_in)] = False
    shift = fit_shift(index.log_odds[judged], decided[judged] == CODES["relabel"])
    open_ = (decided == 0) & ~np.isnan(index.log_odds) & ~index.trusted
    rows = index.order[open_[index.order]]
    next_, left = (expected_wrong(index.log_odds[some], shift) for some in (rows[:ahead], rows))
    if judged.sum() < _FEW:
        rest = np.array([reported.low, reported.high]) - (decided[judged] == CODES["relabel"]).sum()
        left = left.covering(rest).clipped(0, len(rows))
    latest: dict[int, dict[str | None, _Said]] = defaultdict(dict)
    standing: dict[int, int] = {}  # as scoring again would take them in; -1: it would not
    known: dict[str | None, int] = {spelling: k for k, spelling in enumerate(plan.spelling)}
    for row, author, verdict, label in judgements:
        latest[row][author] = verdict, label
        if row < n:
            standing[row] = {"keep": int(index.given[row]), "relabel": known.get(label, -1)}.get(verdict, -1)
    return {
        "flagged": int(index.flagged.sum()),
        "flagged_left": int((index.flagged & (decided == 0)).sum()),
        "decided": _by_decision(decided),
        "judged": _by_decision(everything),
        "scored": {row: label for row, label in standing.items() if label >= 0} == taken_in,
        "shift": shift.value,
        "next": Outlook(rows=len(rows[:ahead]), wrong=_told(next_)),
        "left": Outlook(rows=len(rows), wrong=_told(left)),
        "reviewers": _reviewers(latest, plan, controls, n),
        "agreement": _agreement(said for row, said in latest.items() if row < n),
    }


def _by_decision(codes: NDArray[np.uint8]) -> Decided:
    return Decided(
        keep=int((codes == CODES["keep"]).sum()),
        relabel=int((codes == CODES["relabel"]).sum()),
        unsure=int((codes == CODES["unsure"]).sum()),
    )


def _reviewers(
    latest: Mapping[int, Mapping[str | None, _Said]], plan: Plan, controls: Controls, rows: int
) -> list[Reviewer]:
    found: dict[str | None, Reviewer] = {}
    for row, said in latest.items():
        for author, (verdict, label) in said.items():
            if author not in found:
                found[author] = Reviewer(
                    author=author,
                    decisions=0,
                    right_shown=0,
                    right_kept=0,
                    planted_shown=0,
                    planted_found=0,
                    hit_rate=None,
                )
            each = found[author]
            if row < rows:
                each["decisions"] += verdict != "undecided"
            elif verdict in {"keep", "relabel"}:
                c = row - rows
                if controls.planted[c]:
                    each["planted_shown"] += 1
                    each["planted_found"] += label == plan.spelling[controls.suggested[c]]
                else:
                    each["right_shown"] += 1
                    each["right_kept"] += verdict == "keep"
    for each in found.values():
        hits = each["right_kept"] + each["planted_found"]
        share = proportion(hits, each["right_shown"] + each["planted_shown"])
        each["hit_rate"] = None if share is None else _told(share)
    return sorted(found.values(), key=lambda each: (-each["decisions"], each["author"] or ""))


def _agreement(rows: Iterable[Mapping[str | None, _Said]]) -> Agreement:
    judged = agreed = 0
    for said in rows:
        opinions = [each for each in said.values() if each[0] != "undecided"]
        if len(opinions) > 1:
            judged += 1
            agreed += len(set(opinions)) == 1
    share = proportion(agreed, judged)
    return {"rows": judged, "agreed": agreed, "share": None if share is None else _told(share)}


def _told(estimate: Estimate) -> Interval:
    return Interval(estimate=estimate.estimate, low=estimate.low, high=estimate.high)
