"""Versions beside each other: each works with the tables of the next, and finds what the one before left.

``ledger/REVISION.sql`` is what the code of a revision reads and writes. Each new revision adds such a file; the rule of
``service.jobs.database.migrate`` is tested with those before it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from service.audits.decisions import Decisions
from service.jobs import database
from service.jobs.database import migrate, open_database
from service.jobs.ledger import Ledger

AUDIT = "0123456789abcdef"
RECORDED = Path(__file__).parent / "ledger"
MIGRATIONS = Path(database.__file__).parent / "migrations"


def revisions() -> list[str]:
    """The oldest first."""
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def last_two() -> list[str]:
    return revisions()[-2:]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database."""
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    engine = open_database(url, tmp_path)
    yield engine
    engine.dispose()


def act(engine: Engine, revision: str) -> None:
    """Read and write what the code of a revision does."""
    with engine.begin() as connection:
        for statement in (RECORDED / f"{revision}.sql").read_text().split(";"):
            if statement.strip():
                connection.execute(text(statement.replace(":", "\\:")))


def upgrade(engine: Engine, revision: str) -> None:
    """Make the tables of a revision."""
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_revisions_are_numbered_and_recorded() -> None:
    """The revisions count 0001, 0002, ..., one after the other, and what the code of each does is on record."""
    numbers = revisions()
    assert numbers == [f"{i:04}" for i in range(1, len(numbers) + 1)]
    assert sorted(path.stem for path in RECORDED.glob("*.sql")) == numbers
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    walk = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    assert walk[::-1] == numbers


@pytest.mark.parametrize("revision", last_two())
def test_the_version_before_works_with_the_tables_of_now(engine: Engine, revision: str) -> None:
    """All that the code of the revision before reads and writes goes well after the migration."""
    migrate(engine)
    act(engine, revision)


@pytest.mark.parametrize("revision", last_two())
def test_what_the_version_before_left_is_found(engine: Engine, revision: str) -> None:
    """An audit and its decision, written before the migration, are read after it as they were."""
    upgrade(engine, revision)
    act(engine, revision)
    migrate(engine)
    state = Ledger(engine).state(AUDIT)
    assert (state.status, state.done, state.total, state.owner) == ("succeeded", 600, 600, "ann")
    decision = Decisions(engine).current(AUDIT)[7]
    assert (decision.decision, decision.label, decision.version) == ("relabel", "Shirt", 1)


def test_a_server_of_the_version_before_starts_again(engine: Engine) -> None:
    """One that is started again amid an upgrade, or gone back to after it, uses the tables of the next version."""
    migrate(engine)
    following = f"{int(revisions()[-1]) + 1:04}"
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{following}'"))
    migrate(engine)
    act(engine, revisions()[-1])
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == following
