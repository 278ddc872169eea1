"""How many audits may wait, and how much of uploads may be kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, true

from models.errors import LookalikeError
from service.jobs.audit_state import ENDED
from service.jobs.tables import audit


class QuotaError(LookalikeError):
    """There is as much already as there may be."""


class Incoming(NamedTuple):
    """An upload that is no audit yet."""

    owner: str
    size: int
    """Bytes: those that came, or before that those that were announced."""


@dataclass(frozen=True)
class Quota:
    """Limits, of one owner or of all together; 0: none."""

    audits: int = 0
    """That wait or run."""
    size: int = 0
    """Bytes of the uploads that are kept."""

    def check(self, audits: int, size: int, whose: str = "") -> None:
        """Raise ``QuotaError`` where so many, with what comes in, are too many."""
        if self.audits and audits > self.audits:
            raise QuotaError(
                f"{self.audits} audits{whose} wait or run already, or are coming in; wait until one has ended, or "
                "cancel one"
            )
        if self.size and size > self.size:
            raise QuotaError(
                f"with this one the audits{whose} have {size:,} bytes of uploads, more than {self.size:,}: delete some "
                "that you no longer need"
            )


@dataclass(frozen=True)
class Quotas:
    """What holds for all together, and for each owner."""

    together: Quota = Quota()
    each: Quota = Quota()


UNLIMITED = Quotas()


def check_room(connection: Connection, quotas: Quotas, owner: str, incoming: Sequence[Incoming]) -> None:
    """Raise ``QuotaError`` where the ledger has no room for all that comes in, an upload of ``owner`` among it."""
    mine = [each for each in incoming if each.owner == owner]
    quotas.together.check(*_with(connection, incoming, true()))
    quotas.each.check(*_with(connection, mine, audit.c.owner == owner), f" of {owner!r}")


def _with(connection: Connection, incoming: Sequence[Incoming], which: ColumnElement[bool]) -> tuple[int, int]:
    """How many audits wait or run, and how many bytes are kept, with what comes in."""
    waiting = select(func.count()).select_from(audit).where(which, audit.c.status.not_in(ENDED))
    kept = select(func.coalesce(func.sum(audit.c.bytes), 0)).where(which)
    audits, size = connection.execute(select(waiting.scalar_subquery(), kept.scalar_subquery())).one()
    return audits + len(incoming), int(size) + sum(each.size for each in incoming)
