"""Where an audit stands, as the ledger tells it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.engine import RowMapping

from service.audits.steps.work import PHASES
from service.jobs.tables import audit

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]

ENDED: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


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

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """Tell what a row of the ledger says."""
        status: Status = row["status"]
        phase = None if status == "queued" else PHASES[row["step"]]
        rate = None
        if status == "running" and row["done"] and row["step_started_at"]:
            rate = row["done"] / max(time.time() - row["step_started_at"], 1e-3)
        created: datetime = row["created_at"]
        return cls(
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

    @property
    def cursor(self) -> str:
        """Where a list goes on behind it: by what an audit is, not which place it has, for others come and go."""
        return f"{(self.created_at - _EPOCH) // _MICROSECOND}-{self.id}"


class AuditPage(BaseModel):
    """Some audits, newest first, and where to go on."""

    audits: list[AuditState]
    next_cursor: str | None


def behind(cursor: str) -> ColumnElement[bool]:
    """The audits that come after a cursor, where the newest are first."""
    microseconds, _, last = cursor.partition("-")
    when = _EPOCH + int(microseconds) * _MICROSECOND
    return or_(audit.c.created_at < when, and_(audit.c.created_at == when, audit.c.id < last))
