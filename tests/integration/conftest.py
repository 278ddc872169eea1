"""The databases that the ledger is kept in: SQLite and a real PostgreSQL."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("postgres", Path(__file__).parents[1] / "postgres.py")
assert _spec is not None
assert _spec.loader is not None
postgres_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(postgres_server)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server; a test that stops it starts it again."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def whole(service: Any, kit: Any) -> str:
    """The audit of the whole example kit."""
    location: str = service.audit(kit.labels.read_bytes(), kit.archive)
    return location
