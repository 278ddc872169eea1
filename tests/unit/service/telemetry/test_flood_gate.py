"""Many lines of one kind in one second are cut off; nothing else is."""

import logging

from service.telemetry.flood_gate import FloodGate


def record(second: float, message: str = "no room for %s", name: str = "a") -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, "", 0, message, ("x",), None)
    made.created = second
    return made


def test_a_flood_is_cut_off_and_counted() -> None:
    """Past the most lines of a second the rest is left out, and the next second's first line says how many were."""
    gate = FloodGate(most=3)
    assert [gate.filter(record(10 + i / 10)) for i in range(9)] == [True] * 3 + [False] * 6
    after = record(11)
    assert gate.filter(after)
    assert after.__dict__["left_out"] == 6
    second = record(11.5)
    assert gate.filter(second)
    assert "left_out" not in second.__dict__


def test_others_are_not_silenced_by_it() -> None:
    """Another message, or another logger, has room of its own."""
    gate = FloodGate(most=1)
    assert gate.filter(record(10))
    assert not gate.filter(record(10))
    assert gate.filter(record(10, message="something else %s"))
    assert gate.filter(record(10, name="b"))


def test_a_log_that_is_asked_for_whole_is_whole() -> None:
    """A logger that is excepted is never cut off."""
    gate = FloodGate(most=1, but={"a"})
    assert all(gate.filter(record(10)) for _ in range(5))


def test_messages_without_number_take_no_memory_without_bound() -> None:
    """Messages that are different each time are let through, and forgotten."""
    gate = FloodGate(most=1)
    assert all(gate.filter(record(10, message=f"message {i}")) for i in range(5000))
    assert len(gate._kinds) <= 1001
