"""The ledger: where every audit stands. Each transition is one transaction, and doing one twice changes nothing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from sqlalchemy import Connection, Engine, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping

from models.errors import LookalikeError
from service.audits.steps.work import STEPS, Step
from service.jobs.audit_state import ENDED, AuditPage, AuditState, Status, behind
from service.jobs.database import one_at_a_time, unavailable_said
from service.jobs.quotas import UNLIMITED, Incoming, Quotas, check_room
from service.jobs.tables import audit, audit_chunk

LEASE_SECONDS = 10.0
_SUBMITTING = 0x4C6F6F6C
"""The lock under which one process at a time submits."""
MOST_ATTEMPTS = 5
"""A chunk that was begun so often and never finished kills its workers: the audit ends."""


class AuditNotFoundError(LookalikeError):
    """There is no such audit."""


class AuditBusyError(LookalikeError):
    """The audit is under way; this must wait until it has ended."""


@dataclass(frozen=True)
class Claim:
    """An audit that a worker holds by lease."""

    audit_id: str
    model: str | None
    revision: int
    step: Step


@dataclass(frozen=True)
class Ledger:
    """All transitions. Every method may raise ``DatabaseUnavailableError``."""

    engine: Engine

    def submit(
        self,
        audit_id: str,
        *,
        model: str | None,
        size: int,
        owner: str,
        name: str | None = None,
        quotas: Quotas = UNLIMITED,
    ) -> AuditState:
        """Queue an upload of ``size`` bytes; raises ``QuotaError`` where there is too much already."""
        with unavailable_said(), self.engine.begin() as connection:
            one_at_a_time(connection, _SUBMITTING)  # of two who find the last room free one would be too many
            check_room(connection, quotas, owner, [Incoming(owner, size)])
            row = {
                "id": audit_id,
                "owner": owner,
                "name": name,
                "model": model,
                "status": "queued",
                "revision": 0,
                "step": STEPS[0],
                "done": 0,
                "total": 0,
                "bytes": size,
                "created_at": datetime.now(UTC),
                "cancel_requested": False,
            }
            connection.execute(insert(audit).values(row))
            _add_chunks(connection, audit_id, 0, STEPS[0], [0])
            return AuditState.of(_row(connection, audit_id))

    def check(self, quotas: Quotas, owner: str, incoming: Sequence[Incoming]) -> None:
        """Raise ``QuotaError`` where there is no room for all that comes in, an upload of ``owner`` among it."""
        with unavailable_said(), self.engine.connect() as connection:
            check_room(connection, quotas, owner, incoming)

    def state(self, audit_id: str) -> AuditState:
        """Tell where one audit stands; raises ``AuditNotFoundError``."""
        with unavailable_said(), self.engine.connect() as connection:
            return AuditState.of(_row(connection, audit_id))

    def newest(self, limit: int, cursor: str | None = None) -> AuditPage:
        """Tell where so many stand, newest first; from ``next_cursor`` of the page before on, or from the beginning."""
        query = select(audit).order_by(audit.c.created_at.desc(), audit.c.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(behind(cursor))
        with unavailable_said(), self.engine.connect() as connection:
            states = [AuditState.of(row) for row in connection.execute(query).mappings()]
        more = len(states) > limit
        return AuditPage(audits=states[:limit], next_cursor=states[limit - 1].cursor if more else None)

    def has_work(self) -> bool:
        """Whether any audit waits or runs."""
        query = select(func.count()).select_from(audit).where(audit.c.status.not_in(ENDED))
        with unavailable_said(), self.engine.connect() as connection:
            return bool(connection.scalar(query))

    def claim(self, worker: str, lease: float = LEASE_SECONDS) -> Claim | None:
        """Take the oldest audit that waits, or whose worker has been silent for its lease; None: there is none.

        An audit that runs under this worker's own name was left by a predecessor that died.
        """
        now = time.time()
        lapsed = and_(audit.c.status == "running", or_(audit.c.lease_until < now, audit.c.worker == worker))
        query = (
            select(audit)
            .where(or_(audit.c.status == "queued", lapsed))
            .order_by(audit.c.created_at, audit.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with unavailable_said(), self.engine.begin() as connection:
            while row := connection.execute(query).mappings().first():
                if row["cancel_requested"]:  # its worker died before it noticed
                    _end(connection, row["id"], "cancelled", None)
                    continue
                taken = {"status": "running", "worker": worker, "lease_until": now + lease}
                connection.execute(update(audit).where(audit.c.id == row["id"]).values(taken))
                return Claim(row["id"], row["model"], row["revision"], row["step"])
        return None

    def beat(self, audit_id: str, worker: str, lease: float = LEASE_SECONDS) -> bool:
        """Extend a lease; false where the worker must let go: cancelled, removed, or taken over by another."""
        held = and_(audit.c.id == audit_id, audit.c.worker == worker, audit.c.status == "running")
        going = update(audit).where(held, ~audit.c.cancel_requested).values(lease_until=time.time() + lease)
        with unavailable_said(), self.engine.begin() as connection:
            return connection.execute(going).rowcount == 1

    def release(self, audit_id: str, worker: str) -> None:
        """Let go of an audit that is not finished: it waits for the next worker."""
        held = and_(audit.c.id == audit_id, audit.c.worker == worker, audit.c.status == "running")
        with unavailable_said(), self.engine.begin() as connection:
            connection.execute(update(audit).where(held).values(lease_until=0.0, worker=None))

    def todo(self, claim: Claim, step: Step) -> list[int]:
        """Return the step's chunks that are not done, in order."""
        query = select(audit_chunk.c.i).where(_of(claim, step), ~audit_chunk.c.done).order_by(audit_chunk.c.i)
        with unavailable_said(), self.engine.connect() as connection:
            return list(connection.scalars(query))

    def begin_chunk(self, claim: Claim, step: Step, i: int) -> int:
        """Count an attempt at a chunk, and return how many there were."""
        one = and_(_of(claim, step), audit_chunk.c.i == i)
        with unavailable_said(), self.engine.begin() as connection:
            connection.execute(update(audit_chunk).where(one).values(attempts=audit_chunk.c.attempts + 1))
            return connection.scalar(select(audit_chunk.c.attempts).where(one)) or 0

    def chunk_done(self, claim: Claim, step: Step, i: int) -> None:
        """Mark a chunk done, and count its rows once."""
        one = and_(_of(claim, step), audit_chunk.c.i == i)
        with unavailable_said(), self.engine.begin() as connection:
            marked = connection.execute(update(audit_chunk).where(one, ~audit_chunk.c.done).values(done=True))
            if marked.rowcount:
                rows = select(audit_chunk.c.rows).where(one).scalar_subquery()
                connection.execute(update(audit).where(audit.c.id == claim.audit_id).values(done=audit.c.done + rows))

    def advance(self, claim: Claim, step: Step, chunks: Sequence[int]) -> None:
        """Go on to a step whose chunks have so many rows each; nothing happens where the audit is there already."""
        behind = STEPS[: STEPS.index(step)]
        moved = update(audit).where(
            audit.c.id == claim.audit_id, audit.c.revision == claim.revision, audit.c.step.in_(behind)
        )
        values = {"step": step, "done": 0, "total": sum(chunks), "step_started_at": time.time()}
        with unavailable_said(), self.engine.begin() as connection:
            if connection.execute(moved.values(values)).rowcount:
                _add_chunks(connection, claim.audit_id, claim.revision, step, chunks)

    def end(self, claim: Claim, worker: str, status: Status, error: str | None = None) -> None:
        """End an audit that this worker holds; one that is held by another is left alone."""
        held = select(audit.c.id).where(audit.c.id == claim.audit_id, audit.c.worker == worker).with_for_update()
        with unavailable_said(), self.engine.begin() as connection:
            if connection.scalar(held.where(audit.c.status == "running")) is not None:
                _end(connection, claim.audit_id, status, error)

    def cancel(self, audit_id: str) -> AuditState:
        """Stop an audit: at once if it waits, else when its worker notices. One that has ended stays as it is."""
        with unavailable_said(), self.engine.begin() as connection:
            row = _held_row(connection, audit_id)
            if row["status"] == "queued":
                _end(connection, audit_id, "cancelled", None)
            elif row["status"] == "running":
                connection.execute(update(audit).where(audit.c.id == audit_id).values(cancel_requested=True))
            return AuditState.of(_row(connection, audit_id))

    def rescore(
        self, audit_id: str, step: Step, chunks: Sequence[int], revision: int, prepare: Callable[[], None]
    ) -> AuditState:
        """Queue an audit that has succeeded once more, from a step on, as the next revision.

        ``prepare`` leaves what the revision is made from; it is called where the audit is queued, and nobody else can.
        Raises ``AuditBusyError`` where it is under way, or where ``revision`` does not follow the one that is.
        """
        with unavailable_said(), self.engine.begin() as connection:
            row = _held_row(connection, audit_id)
            if row["status"] not in ENDED or row["revision"] != revision - 1:
                raise AuditBusyError(f"audit {audit_id} is being scored; try again when it has ended")
            prepare()
            again = {
                "status": "queued",
                "revision": revision,
                "step": step,
                "done": 0,
                "total": sum(chunks),
                "error": None,
                "ended_at": None,
                "cancel_requested": False,
            }
            connection.execute(update(audit).where(audit.c.id == audit_id).values(again))
            _add_chunks(connection, audit_id, revision, step, chunks)
            return AuditState.of(_row(connection, audit_id))

    def delete(self, audit_id: str) -> None:
        """Forget an audit with its chunks and decisions; a worker that holds it lets go. Raises if there is none."""
        with unavailable_said(), self.engine.begin() as connection:
            _held_row(connection, audit_id)
            connection.execute(delete(audit).where(audit.c.id == audit_id))

    def ended_before(self, when: float) -> list[str]:
        """Return the audits that ended before a time, oldest first."""
        query = select(audit.c.id).where(audit.c.ended_at < when).order_by(audit.c.ended_at)
        with unavailable_said(), self.engine.connect() as connection:
            return list(connection.scalars(query))

    def count_by_status(self) -> dict[str, int]:
        """Tell how many audits there are of each status, also of those of which there is none."""
        query = select(audit.c.status, func.count()).group_by(audit.c.status)
        with unavailable_said(), self.engine.connect() as connection:
            return dict.fromkeys(get_args(Status), 0) | dict(connection.execute(query).all())


def _held_row(connection: Connection, audit_id: str) -> RowMapping:
    """The row, which no other transaction changes until this one ends."""
    return _first(connection, select(audit).where(audit.c.id == audit_id).with_for_update(), audit_id)


def _row(connection: Connection, audit_id: str) -> RowMapping:
    return _first(connection, select(audit).where(audit.c.id == audit_id), audit_id)


def _first(connection: Connection, query: Select[Any], audit_id: str) -> RowMapping:
    row = connection.execute(query).mappings().first()
    if row is None:
        raise AuditNotFoundError(f"no audit {audit_id!r}")
    return row


def _end(connection: Connection, audit_id: str, status: Status, error: str | None) -> None:
    values = {"status": status, "error": error, "ended_at": time.time(), "worker": None, "lease_until": None}
    connection.execute(update(audit).where(audit.c.id == audit_id).values(values))


def _add_chunks(connection: Connection, audit_id: str, revision: int, step: Step, chunks: Sequence[int]) -> None:
    same = {"audit_id": audit_id, "revision": revision, "step": step, "done": False, "attempts": 0}
    connection.execute(insert(audit_chunk), [same | {"i": i, "rows": rows} for i, rows in enumerate(chunks)])


def _of(claim: Claim, step: Step) -> Any:
    return and_(
        audit_chunk.c.audit_id == claim.audit_id,
        audit_chunk.c.revision == claim.revision,
        audit_chunk.c.step == step,
    )
