"""Tests that connections are no more than the operating system has files for."""

import resource
from collections.abc import Callable

import pytest

from service.http.open_files import room_for

Limit = Callable[[int, int], list[tuple[int, int]]]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Pretend that the bound on open files is (soft, hard); gives what it is set to."""

    def pretend(soft: int, hard: int) -> list[tuple[int, int]]:
        set_to: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
        return set_to

    return pretend


def test_room_is_made_where_it_may_be(limit: Limit) -> None:
    """The soft bound is raised as far as the connections need it, and all of them fit."""
    set_to = limit(1024, 1_000_000)
    assert room_for(4000) == 4000
    assert set_to[0][0] > 4000


def test_what_fits_is_left_alone(limit: Limit) -> None:
    """A bound that is high enough, or none, is not touched."""
    assert limit(100_000, 100_000) == []
    assert room_for(4000) == 4000
    unlimited = limit(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert room_for(4000) == 4000
    assert unlimited == []


@pytest.mark.parametrize("hard", [100, 1000, 2000])
def test_few_files_are_few_connections(limit: Limit, caplog: pytest.LogCaptureFixture, hard: int) -> None:
    """Where the hard bound is low fewer connections are taken, at least one, and the log names setting and cure."""
    limit(min(1024, hard), hard)
    assert 1 <= room_for(4000) < hard
    assert "LOOKALIKE_MAX_CONNECTIONS=4000" in caplog.text
    assert "ulimit -n" in caplog.text
