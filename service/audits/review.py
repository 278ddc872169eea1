"""The review of finished audits as the routes see it: pages, evidence, decisions, and what they are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from audit.interval import Interval
from models.repository import ModelNotFoundError
from service.audits.audits import Audits
from service.audits.controls import drawn_controls, the_controls
from service.audits.decided_rows import DecidedRows
from service.audits.decisions import Decision, DecisionError, NewDecision, NewRowDecision
from service.audits.folder import AuditFolder
from service.audits.pairs import Pair, directed_pairs
from service.audits.review_trust import ReviewTrust, review_trust
from service.audits.row_answers import RowPage
from service.audits.row_evidence import RowEvidence, row_evidence
from service.audits.row_index import RowIndex
from service.audits.rows import Wanted, read_page
from service.audits.second_look import second_look
from service.audits.steps.finish import REPORT, answered_revision
from service.audits.steps.given import decided_labels
from service.audits.steps.plan import Plan
from service.inference.loaded_models import LoadedModels


class Review:
    """Every method raises ``AuditNotFoundError``, or ``AuditNotFinishedError`` where there are no answers.

    Blind controls are numbered from an audit's row count on, and decided about, shown and undone like rows.
    """

    def __init__(self, audits: Audits, models: LoadedModels) -> None:
        self._audits, self._models, self._decisions = audits, models, audits.decisions
        self._decided = DecidedRows(audits.decisions)

    def page(self, audit_id: str, wanted: Wanted, *, controls: bool = False) -> RowPage:
        """Read a page of rows, with blind controls among them or without."""
        folder = self._audits.finished(audit_id)
        mixed_in = the_controls(folder) if controls else None
        rows = Plan.load(folder.path).rows + (0 if mixed_in is None else len(mixed_in.row))
        codes = self._decided.codes(audit_id, rows)
        if wanted.second_look:
            own, taken_in = self._decisions.decided_by(audit_id, wanted.author), _taken_in(folder)
            codes = second_look(codes, own, taken_in, audit_id)
            wanted = replace(wanted, decision=wanted.decision or "any")

        def look_up(numbers: Sequence[int]) -> Mapping[int, Decision]:
            return self._decisions.current(audit_id, numbers)

        return read_page(folder, wanted, codes, look_up, mixed_in)

    def pairs(self, audit_id: str, top: int | None, *, controls: bool = False) -> list[Pair]:
        """List the directed pairs of the flagged rows, or of those among the first ``top``, the largest first.

        Blind controls are counted with them, or not.
        """
        folder = self._audits.finished(audit_id)
        plan, counted = Plan.load(folder.path), the_controls(folder) if controls else None
        decided = self._decided.codes(audit_id, plan.rows + (0 if counted is None else len(counted.row)))
        return directed_pairs(RowIndex.of(folder), plan, decided, top, counted)

    def evidence(self, audit_id: str, row: int, count: int) -> RowEvidence:
        """Gather what a row is judged by, ``count`` examples of each class; raises ``RowNotFoundError``."""
        folder, state = self._audits.finished(audit_id), self._audits.state(audit_id)
        controls = drawn_controls(folder)
        name, _, version = (state.model or "").partition("@")
        try:
            classifier = self._models.get(name, version).classifier if name else None
        except ModelNotFoundError:
            classifier = None
        return row_evidence(folder, row, controls, classifier, count=count)

    def picture(self, audit_id: str, row: int, size: int | None) -> bytes:
        """Draw the picture of a row; see ``Pictures.png``."""
        folder = self._audits.finished(audit_id)
        rows, controls = Plan.load(folder.path).rows, drawn_controls(folder)
        shown = int(controls.row[row - rows]) if rows <= row < rows + len(controls.row) else row
        return self._audits.pictures.png(folder, shown, size)

    def trust(self, audit_id: str, ahead: int) -> ReviewTrust:
        """Sum up how far the review is and what it is worth; the outlook is on ``ahead`` rows, and on all."""
        folder = self._audits.finished(audit_id)
        plan, controls = Plan.load(folder.path), drawn_controls(folder)
        return review_trust(
            RowIndex.of(folder),
            plan,
            controls,
            self._decided.codes(audit_id, plan.rows + len(controls.row)),
            self._decisions.authored(audit_id),
            _taken_in(folder),
            _reported(folder),
            ahead,
        )

    def decide(self, audit_id: str, row: int, new: NewDecision, version: int) -> Decision:
        """Take a reviewer's decision over that of ``version``; see ``Decisions.decide``.

        Raises ``DecisionError`` for a row or a class that there is not.
        """
        folder = self._audits.finished(audit_id)
        plan = Plan.load(folder.path)
        _check_row(folder, plan, row)
        _check_label(plan, new)
        return self._decisions.decide(audit_id, row, new, version)

    def decide_many(self, audit_id: str, new: Sequence[NewRowDecision]) -> tuple[list[Decision], list[Decision]]:
        """Take decisions; returns those taken, and the others' that stood in the way of the rest."""
        folder = self._audits.finished(audit_id)
        plan = Plan.load(folder.path)
        for each in new:
            _check_label(plan, each)
        _check_row(folder, plan, max(each.row for each in new))
        return self._decisions.decide_many(audit_id, new)

    def history(self, audit_id: str, row: int) -> list[Decision]:
        """All decisions about a row, oldest first."""
        self._audits.state(audit_id)
        return self._decisions.history(audit_id, row)


def _taken_in(folder: AuditFolder) -> dict[int, int]:
    """The rows whose decisions the answers were scored with, each with its class index."""
    return decided_labels(folder.path, answered_revision(folder.path))


def _reported(folder: AuditFolder) -> Interval:
    """How many labels are wrong by the report."""
    report = orjson.loads((folder.path / REPORT).read_bytes())
    return Interval(**report["noise_rate"]).times(report["scored"])


def _check_row(folder: AuditFolder, plan: Plan, row: int) -> None:
    if not 0 <= row < plan.rows + len(drawn_controls(folder).row):
        raise DecisionError(f"no row {row}: the rows of this audit are 0 to {plan.rows - 1}")


def _check_label(plan: Plan, new: NewDecision) -> None:
    if new.label is not None and new.label not in plan.spelling:
        raise DecisionError(f"{new.label!r} is no class of this audit: write one as the label file does")
