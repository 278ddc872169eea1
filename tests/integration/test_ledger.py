"""The ledger's transitions, on SQLite and on PostgreSQL."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError

from service.audits.decisions import DecisionConflictError, DecisionError, Decisions, NewDecision, NewRowDecision
from service.jobs.database import DatabaseError, DatabaseUnavailableError, migrate, open_database
from service.jobs.ledger import AuditBusyError, AuditNotFoundError, Ledger
from service.jobs.quotas import Incoming, Quota, QuotaError, Quotas
from service.jobs.tables import audit, metadata

ONE, TWO = "1" * 16, "2" * 16


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    engine = open_database(url, tmp_path)
    migrate(engine)
    yield Ledger(engine)
    engine.dispose()


def submit(ledger: Ledger, audit_id: str = ONE, owner: str = "ann", **limits: Any) -> None:
    ledger.submit(audit_id, model="m@1", size=10, owner=owner, quotas=Quotas(**limits))


def test_the_migrations_make_the_tables_of_the_code(ledger: Ledger) -> None:
    """What the revisions make is what the code describes, so that no change is left without a revision."""
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(ledger: Ledger) -> None:
    """A second server that starts leaves the audits of the first alone."""
    submit(ledger)
    migrate(ledger.engine)
    assert ledger.state(ONE).status == "queued"


def test_tables_of_a_newer_version_are_refused(ledger: Ledger) -> None:
    """An old version that meets the tables of a newer one says so rather than guess."""
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="newer than this version"):
        migrate(ledger.engine)


def test_an_audit_goes_through_its_steps(ledger: Ledger) -> None:
    """Claimed, advanced and ended: at each moment the state says where it stands."""
    submit(ledger)
    assert ledger.has_work()
    claim = ledger.claim("w")
    assert claim is not None
    assert (claim.audit_id, claim.step, ledger.todo(claim, "plan")) == (ONE, "plan", [0])
    ledger.chunk_done(claim, "plan", 0)
    ledger.advance(claim, "infer", [5, 3])
    state = ledger.state(ONE)
    assert (state.status, state.phase, state.done, state.total) == ("running", "looking at images", 0, 8)
    ledger.chunk_done(claim, "infer", 0)
    state = ledger.state(ONE)
    assert state.done == 5
    assert state.eta_seconds is not None
    assert ledger.todo(claim, "infer") == [1]
    ledger.end(claim, "w", "succeeded")
    state = ledger.state(ONE)
    assert (state.status, state.phase, state.error) == ("succeeded", "done", None)
    assert not ledger.has_work()


def test_what_is_done_twice_counts_once(ledger: Ledger) -> None:
    """A chunk marked twice, a step entered twice, an audit ended by one who no longer holds it: nothing changes."""
    submit(ledger)
    claim = ledger.claim("w")
    assert claim is not None
    for _ in range(2):
        ledger.advance(claim, "infer", [5, 3])
        ledger.chunk_done(claim, "infer", 1)
    assert ledger.state(ONE).done == 3
    assert ledger.todo(claim, "infer") == [0]
    ledger.end(claim, "another", "failed", "not mine")
    assert ledger.state(ONE).status == "running"


def test_one_audit_is_claimed_by_one_worker(ledger: Ledger) -> None:
    """Of many workers that ask at a time each audit goes to exactly one."""
    for number in range(6):
        submit(ledger, f"{number:016}")
    claimed: list[str] = []

    def work(name: str) -> None:
        while claim := ledger.claim(name):
            claimed.append(claim.audit_id)
            ledger.end(claim, name, "succeeded")

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [f"{number:016}" for number in range(6)]


def test_a_silent_worker_loses_its_audit(ledger: Ledger) -> None:
    """After the lease another worker goes on, and the first learns that it must let go."""
    submit(ledger)
    assert ledger.claim("first") is not None
    assert ledger.claim("second") is None
    assert ledger.beat(ONE, "first")
    with ledger.engine.begin() as connection:
        connection.execute(update(audit).values(lease_until=time.time() - 1))
    assert ledger.claim("second") is not None
    assert not ledger.beat(ONE, "first")
    assert ledger.beat(ONE, "second")


def test_a_successor_of_the_same_name_goes_on_at_once(ledger: Ledger) -> None:
    """A worker that is started in place of a dead one need not wait for the lease."""
    submit(ledger)
    assert ledger.claim("w") is not None
    assert ledger.claim("w") is not None


def test_a_released_audit_is_free_at_once(ledger: Ledger) -> None:
    """A worker that is told to stop leaves its audit to the next."""
    submit(ledger)
    assert ledger.claim("first") is not None
    ledger.release(ONE, "first")
    assert ledger.claim("second") is not None


def test_a_waiting_audit_is_cancelled_at_once(ledger: Ledger) -> None:
    """It never runs; cancelling again is no error."""
    submit(ledger)
    assert ledger.cancel(ONE).status == "cancelled"
    assert ledger.cancel(ONE).status == "cancelled"
    assert ledger.claim("w") is None


def test_a_running_audit_is_cancelled_by_its_worker(ledger: Ledger) -> None:
    """The next heartbeat says that it must let go; if the worker is dead, the next claim ends it."""
    submit(ledger)
    assert ledger.claim("w") is not None
    assert ledger.cancel(ONE).status == "running"
    assert not ledger.beat(ONE, "w")
    with ledger.engine.begin() as connection:
        connection.execute(update(audit).values(lease_until=time.time() - 1))
    assert ledger.claim("other") is None
    assert ledger.state(ONE).status == "cancelled"


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_of_audits_miss_none(ledger: Ledger, limit: int) -> None:
    """Newest first, also of one moment: each audit is on one page, though others come and go between the pages."""
    ids = [f"{i:016x}" for i in range(7)]
    for each in ids:
        submit(ledger, each)
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    with ledger.engine.begin() as connection:  # three of one microsecond in the middle
        for i, each in enumerate(ids):
            when = moment + timedelta(microseconds=max(0, i - 4) - max(0, 2 - i))
            connection.execute(update(audit).where(audit.c.id == each).values(created_at=when))
    found: list[str] = []
    cursor = None
    while True:
        page = ledger.newest(limit, cursor)
        found += [state.id for state in page.audits]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.audits) == limit
        submit(ledger, f"{100 + len(found):016x}")  # newer than all: on no later page
        ledger.delete(found[-1])  # by which the next page is found
    assert found == ids[::-1]


def test_an_owner_has_a_quota(ledger: Ledger) -> None:
    """Too many audits of one owner that wait, or too many bytes, are refused by name; another owner goes on."""
    submit(ledger, each=Quota(audits=1))
    with pytest.raises(QuotaError, match="of 'ann' wait"):
        submit(ledger, TWO, each=Quota(audits=1))
    with pytest.raises(QuotaError, match="of 'ann' have 20 bytes"):
        submit(ledger, TWO, each=Quota(size=19))
    submit(ledger, TWO, "bob", each=Quota(audits=1, size=19))
    assert [(state.id, state.owner) for state in ledger.newest(100).audits] == [(TWO, "bob"), (ONE, "ann")]


def test_all_owners_together_have_a_quota(ledger: Ledger) -> None:
    """The limits for all count everybody's audits, and what has ended no longer waits but is still kept."""
    submit(ledger)
    with pytest.raises(QuotaError, match="1 audits wait"):
        submit(ledger, TWO, "bob", together=Quota(audits=1))
    ledger.cancel(ONE)
    with pytest.raises(QuotaError, match="20 bytes"):
        submit(ledger, TWO, "bob", together=Quota(audits=1, size=19))
    submit(ledger, TWO, "bob", together=Quota(audits=1, size=20))


def test_uploads_that_come_in_count(ledger: Ledger) -> None:
    """Before anything is stored an upload is refused for which, with the others under way, there is no room."""
    submit(ledger)
    quotas = Quotas(together=Quota(audits=3), each=Quota(size=30))
    ledger.check(quotas, "ann", [Incoming("ann", 20), Incoming("bob", 999)])
    with pytest.raises(QuotaError, match="of 'ann' have 31 bytes"):
        ledger.check(quotas, "ann", [Incoming("ann", 20), Incoming("ann", 1)])
    with pytest.raises(QuotaError, match="3 audits wait"):
        ledger.check(quotas, "bob", [Incoming("bob", 0)] * 3)
    assert len(ledger.newest(100).audits) == 1


def test_the_last_place_goes_to_one(ledger: Ledger) -> None:
    """Of many who submit in the same moment only as many are let in as there is room for."""
    outcomes: list[str] = []

    def place(number: int) -> None:
        try:
            submit(ledger, f"{number:016}", together=Quota(audits=2))
            outcomes.append("in")
        except QuotaError:
            outcomes.append("refused")

    threads = [threading.Thread(target=place, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in"] * 2 + ["refused"] * 6


def test_a_removed_audit_is_gone_with_all_that_hung_on_it(ledger: Ledger) -> None:
    """Chunks and decisions go too, its worker must let go, and asking for it is an error."""
    submit(ledger)
    claim = ledger.claim("w")
    assert claim is not None
    Decisions(ledger.engine).decide(ONE, 0, NewDecision(decision="keep"), 0)
    ledger.delete(ONE)
    assert not ledger.beat(ONE, "w")
    assert ledger.todo(claim, "plan") == []
    assert Decisions(ledger.engine).current(ONE) == {}
    for act in (ledger.state, ledger.delete, ledger.cancel):
        with pytest.raises(AuditNotFoundError):
            act(ONE)


def test_scoring_again_is_another_revision(ledger: Ledger) -> None:
    """A finished audit is queued from a later step on; one that is under way is not."""
    submit(ledger)
    with pytest.raises(AuditBusyError):
        ledger.rescore(ONE, "fit", [8], 1, lambda: None)
    claim = ledger.claim("w")
    assert claim is not None
    ledger.end(claim, "w", "succeeded")
    state = ledger.rescore(ONE, "fit", [8], 1, lambda: None)
    assert (state.status, state.revision) == ("queued", 1)
    again = ledger.claim("w")
    assert again is not None
    assert (again.revision, again.step, ledger.todo(again, "fit")) == (1, "fit", [0])


def test_of_two_who_score_again_at_a_time_one_is_refused(ledger: Ledger) -> None:
    """One revision is queued and made from what the one who queued it left; the other is told to wait."""
    submit(ledger)
    for revision in range(1, 9):
        ledger.cancel(ONE)
        together = threading.Barrier(2)
        prepared: list[str] = []
        outcomes: dict[str, str] = {}

        def again(
            who: str,
            revision: int = revision,
            together: threading.Barrier = together,
            prepared: list[str] = prepared,
            outcomes: dict[str, str] = outcomes,
        ) -> None:
            together.wait()
            try:
                ledger.rescore(ONE, "fit", [8], revision, lambda: prepared.append(who))
                outcomes[who] = "queued"
            except Exception as error:  # noqa: BLE001 - any other than the one that is told would be a defect
                outcomes[who] = type(error).__name__

        threads = [threading.Thread(target=again, args=(who,)) for who in ("ann", "bob")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.values()) == ["AuditBusyError", "queued"]
        assert [outcomes[who] for who in prepared] == ["queued"]


def test_audits_that_ended_long_ago_are_found(ledger: Ledger) -> None:
    """Only what has ended expires."""
    submit(ledger)
    submit(ledger, TWO)
    ledger.cancel(ONE)
    assert ledger.ended_before(time.time() + 1) == [ONE]
    assert ledger.ended_before(time.time() - 60) == []


def test_audits_are_counted_by_their_status(ledger: Ledger) -> None:
    """Each status has its number, also the number 0."""
    assert set(ledger.count_by_status().values()) == {0}
    submit(ledger)
    submit(ledger, TWO)
    ledger.cancel(TWO)
    counts = ledger.count_by_status()
    assert (counts["queued"], counts["cancelled"], counts["running"]) == (1, 1, 0)


def test_errors_of_the_database_do_not_tell_what_is_in_its_rows(ledger: Ledger) -> None:
    """What a client wrote does not get into a log by way of the error of a statement."""
    with pytest.raises(DBAPIError) as failed, ledger.engine.begin() as connection:
        connection.execute(insert(audit).values(id="a secret\0"))
    assert "secret" not in str(failed.value)


def test_decisions_are_kept_with_their_versions(ledger: Ledger) -> None:
    """A decision over an older one than the latest is refused with the latest; the history keeps all."""
    submit(ledger)
    decisions = Decisions(ledger.engine)
    first = decisions.decide(ONE, 7, NewDecision(decision="relabel", label="Coat", author="ann"), 0)
    assert first.version == 1
    with pytest.raises(DecisionConflictError, match="ann"):
        decisions.decide(ONE, 7, NewDecision(decision="keep", author="bob"), 0)
    with pytest.raises(DecisionError, match="no decision of version 3"):
        decisions.decide(ONE, 8, NewDecision(decision="keep"), 3)
    second = decisions.decide(ONE, 7, NewDecision(decision="keep", author="bob"), 1)
    assert decisions.current(ONE) == {7: second}
    assert decisions.current(ONE, [6, 7]) == {7: second}
    assert decisions.history(ONE, 7) == [first, second]


def test_of_two_decisions_at_a_time_one_is_taken(ledger: Ledger) -> None:
    """Two reviewers who decide in the same moment: one is told that the other was quicker."""
    submit(ledger)
    decisions, outcomes = Decisions(ledger.engine), []

    def decide(author: str) -> None:
        try:
            decisions.decide(ONE, 1, NewDecision(decision="keep", author=author), 0)
            outcomes.append("taken")
        except DecisionConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=decide, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 7 + ["taken"]


def test_a_database_that_is_gone_is_said_and_comes_back(postgres: Any, tmp_path: Path) -> None:
    """While PostgreSQL is down every call says so, without its address; when it is up again, all goes on."""
    engine = open_database(postgres.database(), tmp_path)
    migrate(engine)
    ledger = Ledger(engine)
    known = ledger.newest(100).audits
    decisions = Decisions(engine)
    calls: list[Callable[[], Any]] = [
        lambda: ledger.newest(100),
        lambda: decisions.decide(ONE, 0, NewDecision(decision="keep"), 0),
        lambda: decisions.decide_many(ONE, [NewRowDecision(row=0, decision="keep")]),
        lambda: decisions.verdicts(ONE, 1),
        lambda: decisions.history(ONE, 0),
        lambda: decisions.authored(ONE),
        lambda: decisions.decided_by(ONE, None),
        lambda: decisions.since(ONE, 0),
        lambda: decisions.last(ONE),
        lambda: ledger.newest(100),
    ]
    postgres.stop()
    try:
        for call in calls:
            with pytest.raises(DatabaseUnavailableError) as refused:
                call()
            assert str(postgres.sockets) not in str(refused.value)
    finally:
        postgres.start()
    assert ledger.newest(100).audits == known
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://x/y", "no url", "oracle+nothing://x"])
def test_a_database_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    """Only SQLite and PostgreSQL are taken, and the message names the setting."""
    with pytest.raises(DatabaseError, match="LOOKALIKE_DATABASE_URL"):
        open_database(url, tmp_path)
