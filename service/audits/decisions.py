"""What reviewers decided about rows: kept for good, with time and author; nobody overwrites what he has not seen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import Engine, RowMapping, Select, func, insert, select
from sqlalchemy.exc import IntegrityError

from models.errors import LookalikeError
from service.jobs.database import unavailable_said
from service.jobs.tables import decision as table

Verdict = Literal["keep", "relabel", "unsure", "undecided"]
"""``undecided`` takes a decision back: the row counts as one that nobody has decided about."""

MOST_AT_ONCE = 1000
MOST_VERSIONS = 999_999_999
NO_NUL = r"^[^\x00]*$"  # PostgreSQL takes no such text
_LOOKED_UP_AT_ONCE = 500


class DecisionError(LookalikeError):
    """A decision can't be taken; the message says why."""


class DecisionConflictError(DecisionError):
    """Somebody else has decided in the meantime: ``current`` is what."""

    def __init__(self, current: "Decision") -> None:
        label = f" {current.label!r}" if current.label else ""
        super().__init__(
            f"row {current.row} was decided by {current.author or 'somebody'} in the meantime: "
            f"{current.decision}{label} (version {current.version})"
        )
        self.current = current


_Label = Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
_Author = Annotated[str, StringConstraints(max_length=100, pattern=NO_NUL)]


class NewDecision(BaseModel):
    """What a reviewer says of a row."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "oneOf": [
                {
                    "properties": {"decision": {"const": "relabel"}, "label": {"type": "string"}},
                    "required": ["label"],
                },
                {"properties": {"decision": {"enum": ["keep", "unsure", "undecided"]}, "label": {"type": "null"}}},
            ]
        },
    )

    decision: Verdict
    label: _Label | None = None
    """With ``relabel``, and only then: the right class, spelled as in the label file."""
    author: _Author | None = None

    @model_validator(mode="after")
    def _label_fits(self) -> Self:
        if (self.decision == "relabel") != (self.label is not None):
            raise ValueError("relabel needs a label, and nothing else takes one")
        return self


class NewRowDecision(NewDecision):
    """One of many."""

    row: int = Field(ge=0)
    version: int = Field(default=0, ge=0, le=MOST_VERSIONS)
    """Of the decision that the reviewer saw; 0: none."""


class Decision(NewDecision):
    """A decision as it was taken."""

    row: int
    version: int
    """1 for a row's first decision, and so on; the latest counts."""
    decided_at: datetime


@dataclass(frozen=True)
class Decisions:
    """The decisions in the ledger's database. One row's versions are unique there: of two at a time one is refused.

    Every method may raise ``DatabaseUnavailableError``.
    """

    engine: Engine

    def decide(self, audit_id: str, row: int, new: NewDecision, version: int) -> Decision:
        """Take a decision over that of ``version``; raises ``DecisionConflictError`` if it is not the latest."""
        taken = _taken(new, row, version, datetime.now(UTC))
        try:
            with unavailable_said(), self.engine.begin() as connection:
                latest = connection.scalar(_latest(audit_id).where(table.c.row == row))
                if (latest or 0) == version:
                    connection.execute(insert(table).values(audit_id=audit_id, **taken.model_dump()))
                    return taken
        except IntegrityError:  # the other one was a moment quicker
            pass
        current = self.current(audit_id, [row])
        if row not in current:
            raise _no_such_version(row, version)
        raise DecisionConflictError(current[row])

    def decide_many(self, audit_id: str, new: Sequence[NewRowDecision]) -> tuple[list[Decision], list[Decision]]:
        """Take decisions, all at once where nobody is in the way; see ``decide``.

        None is taken where one names a version of a row about which nobody has decided: raises ``DecisionError``.
        Returns those taken, and the others' that stood in the way of the rest.
        """
        now = datetime.now(UTC)
        rows = [each.row for each in new]
        try:
            with unavailable_said(), self.engine.begin() as connection:
                versions: dict[int, int] = {}
                for some in _batches(rows):
                    latest = (
                        select(table.c.row, func.max(table.c.version))
                        .where(table.c.audit_id == audit_id, table.c.row.in_(some))
                        .group_by(table.c.row)
                    )
                    versions |= {found[0]: found[1] for found in connection.execute(latest)}
                if len(set(rows)) == len(rows) and all(versions.get(each.row, 0) == each.version for each in new):
                    taken = [_taken(each, each.row, each.version, now) for each in new]
                    connection.execute(insert(table), [{"audit_id": audit_id, **each.model_dump()} for each in taken])
                    return taken, []
        except IntegrityError:  # somebody was a moment quicker
            pass
        self._check_versions(audit_id, new)
        taken, conflicts = [], []
        for each in new:
            try:
                taken.append(self.decide(audit_id, each.row, each, each.version))
            except DecisionConflictError as conflict:
                conflicts.append(conflict.current)
        return taken, conflicts

    def _check_versions(self, audit_id: str, new: Sequence[NewRowDecision]) -> None:
        decided = set(self.current(audit_id, [each.row for each in new]))
        for each in new:
            if each.version and each.row not in decided:
                raise _no_such_version(each.row, each.version)
            decided.add(each.row)

    def verdicts(self, audit_id: str, rows: int) -> dict[int, Decision]:
        """Return the latest decisions that verify a label of the file's rows, 0 to ``rows`` - 1."""
        current = self.current(audit_id).items()
        return {row: each for row, each in current if row < rows and each.decision in {"keep", "relabel"}}

    def current(self, audit_id: str, rows: Iterable[int] | None = None) -> Mapping[int, Decision]:
        """Return the latest decision of each row that has one; of all rows, or of some."""
        latest = _latest(audit_id).group_by(table.c.row).with_only_columns(func.max(table.c.id))
        wanted = [None] if rows is None else _batches(rows)
        found: dict[int, Decision] = {}
        with unavailable_said(), self.engine.connect() as connection:
            for some in wanted:
                ids = latest if some is None else latest.where(table.c.row.in_(some))
                for each in connection.execute(select(table).where(table.c.id.in_(ids))).mappings():
                    found[each["row"]] = _decision(each)
        return found

    def history(self, audit_id: str, row: int) -> list[Decision]:
        """Return all decisions of a row, oldest first."""
        query = select(table).where(table.c.audit_id == audit_id, table.c.row == row).order_by(table.c.version)
        with unavailable_said(), self.engine.connect() as connection:
            return [_decision(each) for each in connection.execute(query).mappings()]

    def authored(self, audit_id: str) -> list[tuple[int, str | None, Verdict, str | None]]:
        """Return row, author, verdict and label of all decisions ever taken, oldest first."""
        columns = (table.c.row, table.c.author, table.c.decision, table.c.label)
        query = select(*columns).where(table.c.audit_id == audit_id).order_by(table.c.id)
        with unavailable_said(), self.engine.connect() as connection:
            return [(row, author, verdict, label) for row, author, verdict, label in connection.execute(query)]

    def decided_by(self, audit_id: str, author: str | None) -> set[int]:
        """Return the rows about which somebody has ever decided."""
        query = select(table.c.row).distinct().where(table.c.audit_id == audit_id, table.c.author == author)
        with unavailable_said(), self.engine.connect() as connection:
            return set(connection.scalars(query))

    def since(self, audit_id: str, number: int) -> list[tuple[int, int, Verdict]]:
        """Return number, row and verdict of the decisions whose number is greater, oldest first; see ``last``."""
        query = select(table.c.id, table.c.row, table.c.decision).where(
            table.c.audit_id == audit_id, table.c.id > number
        )
        with unavailable_said(), self.engine.connect() as connection:
            return [(id_, row, verdict) for id_, row, verdict in connection.execute(query.order_by(table.c.id))]

    def last(self, audit_id: str) -> int:
        """Return a number that grows with every decision; 0 where there is none."""
        query = select(func.max(table.c.id)).where(table.c.audit_id == audit_id)
        with unavailable_said(), self.engine.connect() as connection:
            return connection.scalar(query) or 0


def _taken(new: NewDecision, row: int, version: int, now: datetime) -> Decision:
    values = new.model_dump(include=set(NewDecision.model_fields))
    return Decision(**values, row=row, version=version + 1, decided_at=now)


def _no_such_version(row: int, version: int) -> DecisionError:
    return DecisionError(f"row {row} has no decision of version {version}")


def _latest(audit_id: str) -> Select[tuple[int | None]]:
    return select(func.max(table.c.version)).where(table.c.audit_id == audit_id)


def _decision(row: RowMapping) -> Decision:
    values = {name: row[name] for name in Decision.model_fields}
    if values["decided_at"].tzinfo is None:  # SQLite keeps no zone
        values["decided_at"] = values["decided_at"].replace(tzinfo=UTC)
    return Decision(**values)


def _batches(rows: Iterable[int]) -> Iterator[list[int]]:
    """Cut into lists that a database takes as parameters."""
    wanted = list(rows)
    for start in range(0, len(wanted), _LOOKED_UP_AT_ONCE):
        yield wanted[start : start + _LOOKED_UP_AT_ONCE]
