"""The ledger: where every audit stands. Each transition is one transaction, and doing one twice changes nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, insert, or_, select, true, update
from sqlalchemy.engine import RowMapping

from models.errors import LookalikeError
from service.audits.steps.work import PHASES, STEPS, Step
from service.jobs.database import one_at_a_time, unavailable_said
from service.jobs.quotas import UNLIMITED, Incoming, Quotas
from service.jobs.tables import audit, audit_chunk

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]

ENDED: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})
LEASE_SECONDS = 10.0
_SUBMITTING = 0x4C6F6F6C
"""The lock under which one process at a time submits."""
MOST_ATTEMPTS = 5
"""A chunk that was begun so often and never finished kills its workers: the audit ends."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class AuditNotFoundError(LookalikeError):
    """There is no such audit."""


class AuditBusyError(LookalikeError):
    """The audit is under way; this must wait until it has ended."""


class AuditState(BaseModel):
    """Where an audit stands, as routes tell it."""

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    """Name of the key that it was submitted with; `local`: without one."""
    name: str | None
    """What the person who submitted it calls it."""
    status: Status
    phase: str | None
    done: int
    """Rows of the phase that are done."""
    total: int
    error: str | None
    """For a failed audit: what to change."""
    created_at: datetime
    model: str | None
    """``NAME@VERSION``, fixed when the audit is submitted; null: it goes by the file's own probabilities."""
    revision: int
    """How often decisions of reviewers have been taken in."""
    rows_per_second: float | None
    eta_seconds: float | None
    """Until the phase is over."""


class AuditPage(BaseModel):
    """Some audits, newest first, and where to go on."""

    audits: list[AuditState]
    next_cursor: str | None


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
            _check(connection, quotas, owner, [Incoming(owner, size)])
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
            return _state(_row(connection, audit_id))

    def check(self, quotas: Quotas, owner: str, incoming: Sequence[Incoming]) -> None:
        """Raise ``QuotaError`` where there is no room for all that comes in, an upload of ``owner`` among it."""
        with unavailable_said(), self.engine.connect() as connection:
            _check(connection, quotas, owner, incoming)

    def state(self, audit_id: str) -> AuditState:
        """Tell where one audit stands; raises ``AuditNotFoundError``."""
        with unavailable_said(), self.engine.connect() as connection:
            return _state(_row(connection, audit_id))

    def newest(self, limit: int, cursor: str | None = None) -> AuditPage:
        """Tell where so many stand, newest first; from ``next_cursor`` of the page before on, or from the beginning."""
        query = select(audit).order_by(audit.c.created_at.desc(), audit.c.id.desc()).limit(limit + 1)
        if cursor is not None:
            microseconds, _, last = cursor.partition("-")
            when = _EPOCH + int(microseconds) * _MICROSECOND
            query = query.where(
                or_(audit.c.created_at < when, and_(audit.c.created_at == when, audit.c.id < last)),
            )
        with unavailable_said(), self.engine.connect() as connection:
            states = [_state(row) for row in connection.execute(query).mappings()]
        more = len(states) > limit
        return AuditPage(audits=states[:limit], next_cursor=_cursor(states[limit - 1]) if more else None)

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
        held = select(audit.c.id).where(audit.c.id == claim.audit_id, audit.c.worker == worker)
        with unavailable_said(), self.engine.begin() as connection:
            if connection.scalar(held.where(audit.c.status == "running")) is not None:
                _end(connection, claim.audit_id, status, error)

    def cancel(self, audit_id: str) -> AuditState:
        """Stop an audit: at once if it waits, else when its worker notices. One that has ended stays as it is."""
        with unavailable_said(), self.engine.begin() as connection:
            row = _row(connection, audit_id)
            if row["status"] == "queued":
                _end(connection, audit_id, "cancelled", None)
            elif row["status"] == "running":
                connection.execute(update(audit).where(audit.c.id == audit_id).values(cancel_requested=True))
            return _state(_row(connection, audit_id))

    def rescore(self, audit_id: str, step: Step, chunks: Sequence[int], revision: int) -> AuditState:
        """Queue an audit that has succeeded once more, from a step on, as the next revision.

        Raises ``AuditBusyError`` where it is under way, or where ``revision`` does not follow the one that is.
        """
        with unavailable_said(), self.engine.begin() as connection:
            row = _row(connection, audit_id)
            if row["status"] not in ENDED or row["revision"] != revision - 1:
                raise AuditBusyError(f"audit {audit_id} is being scored; try again when it has ended")
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
            return _state(_row(connection, audit_id))

    def delete(self, audit_id: str) -> None:
        """Forget an audit with its chunks and decisions; a worker that holds it lets go. Raises if there is none."""
        with unavailable_said(), self.engine.begin() as connection:
            _row(connection, audit_id)
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


def _check(connection: Connection, quotas: Quotas, owner: str, incoming: Sequence[Incoming]) -> None:
    mine = [each for each in incoming if each.owner == owner]
    quotas.together.check(*_with(connection, incoming, true()))
    quotas.each.check(*_with(connection, mine, audit.c.owner == owner), f" of {owner!r}")


def _with(connection: Connection, incoming: Sequence[Incoming], which: ColumnElement[bool]) -> tuple[int, int]:
    """How many audits wait or run, and how many bytes are kept, with what comes in."""
    waiting = select(func.count()).select_from(audit).where(which, audit.c.status.not_in(ENDED))
    kept = select(func.coalesce(func.sum(audit.c.bytes), 0)).where(which)
    audits, size = connection.execute(select(waiting.scalar_subquery(), kept.scalar_subquery())).one()
    return audits + len(incoming), int(size) + sum(each.size for each in incoming)


def _row(connection: Connection, audit_id: str) -> RowMapping:
    row = connection.execute(select(audit).where(audit.c.id == audit_id)).mappings().first()
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


def _cursor(last: AuditState) -> str:
    """By what an audit is in its place, not which place: others may come and go meanwhile."""
    return f"{(last.created_at - _EPOCH) // _MICROSECOND}-{last.id}"


def _state(row: RowMapping) -> AuditState:
    status: Status = row["status"]
    phase = None if status == "queued" else PHASES[row["step"]]
    rate = None
    if status == "running" and row["done"] and row["step_started_at"]:
        rate = row["done"] / max(time.time() - row["step_started_at"], 1e-3)
    created: datetime = row["created_at"]
    return AuditState(
        id=row["id"],
        owner=row["owner"],
        name=row["name"],
        status=status,
        phase="done" if status == "succeeded" else phase,
        done=row["done"],
        total=row["total"],
        error=row["error"],
        created_at=created if created.tzinfo else created.replace(tzinfo=UTC),  # SQLite keeps no zone
        model=row["model"],
        revision=row["revision"],
        rows_per_second=rate,
        eta_seconds=None if rate is None else (row["total"] - row["done"]) / rate,
    )
