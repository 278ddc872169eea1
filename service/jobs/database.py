"""The ledger's database: SQLite in the data folder, or PostgreSQL by URL; brought up to date by Alembic."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool

from models.errors import LookalikeError

_log = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
_PATIENCE = 30
"""Seconds that a writer waits for another under SQLite."""
_CONNECT_SECONDS = 5
_DISCREET = {"hide_parameters": True}
"""Errors end in logs: they must not tell what is in the rows."""
_POSTGRESQL_DISK_FULL = "53100"
"""Appendix A of PostgreSQL's manual."""
_MIGRATING = 0x4C6F6F6B
"""The lock under which one process at a time migrates."""


class DatabaseError(LookalikeError):
    """The database can't be used; the message says why and holds no password."""


class DatabaseUnavailableError(DatabaseError):
    """The database does not answer, for now."""


class DatabaseFullError(DatabaseUnavailableError):
    """The database has no room to write anything, for now."""


def open_database(url: str | None, data_dir: Path) -> Engine:
    """Open the database of a URL; by default ``lookalike.db`` in the data folder. Nothing is connected yet."""
    try:
        address = make_url(url or f"sqlite:///{(data_dir / 'lookalike.db').absolute()}")
        match address.get_backend_name():
            case "sqlite":
                connect = {"timeout": _PATIENCE}
                return _sqlite(create_engine(address, poolclass=QueuePool, connect_args=connect, **_DISCREET))
            case "postgresql":
                address = address.set(drivername="postgresql+psycopg")
                connect = {"connect_timeout": _CONNECT_SECONDS}
                return create_engine(address, pool_pre_ping=True, connect_args=connect, **_DISCREET)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise DatabaseError(f"LOOKALIKE_DATABASE_URL can't be used: {error}") from error
    raise DatabaseError(
        f"LOOKALIKE_DATABASE_URL names {address.get_backend_name()}: it must start with sqlite:/// or postgresql://"
    )


def migrate(engine: Engine) -> None:
    """Bring the tables up to date; several processes may call this at a time.

    A revision leaves all that the code of the revision before it reads and writes as it is, so that old and new
    processes work side by side during an upgrade, and the old version can be gone back to. Tables that are newer by one
    revision are therefore left alone; raises ``DatabaseError`` where they are newer still, or can't be reached.
    """
    with unavailable_said(), engine.begin() as connection:
        one_at_a_time(connection, _MIGRATING)
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        newest = ScriptDirectory.from_config(config).get_current_head()
        if newest is not None and _current(connection) == f"{int(newest) + 1:04}":
            _log.warning("the tables are those of the next version of Lookalike: they are used as they are")
            return
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise DatabaseError(
                f"the database is newer than this version of Lookalike (which knows up to {newest}): upgrade "
                "Lookalike, or restore the backup that was made before the upgrade"
            ) from error


def _current(connection: Connection) -> str | None:
    """The revision of the tables; None: there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def one_at_a_time(connection: Connection, lock: int) -> None:
    """Wait until no other transaction holds the lock, and hold it to the end of this one; SQLite has one at a time."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(lock)))


def is_migrated(connection: Connection) -> bool:
    """Whether the tables are there at all."""
    return inspect(connection).has_table("audit")


@contextmanager
def unavailable_said() -> Iterator[None]:
    """Make a lost connection a ``DatabaseUnavailableError``; the driver's text may name hosts and users.

    Where there is no room left it is a ``DatabaseFullError``.
    """
    try:
        yield
    except (OperationalError, DBAPIError) as error:
        if _is_full(error):
            raise DatabaseFullError("the database has no room left; its operator must free some") from error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise DatabaseUnavailableError("the database does not answer; it is tried again") from error
        raise


def _is_full(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == _POSTGRESQL_DISK_FULL


def _sqlite(engine: Engine) -> Engine:
    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by its own rules
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that begins by reading can't become a writer once another has written: ask for the pen first.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
