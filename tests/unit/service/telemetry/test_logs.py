"""The two forms of a log line: whatever is logged, a line stays one line and says nothing that is not so."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings import Settings
from service.telemetry.logs import configure, json_formatter, text_formatter
from service.telemetry.request_id import REQUEST_ID

TEXT = st.text(st.characters(exclude_categories=[]), max_size=50)


def record(message: str, *arguments: Any, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.getLogger("lookalike.test").makeRecord(
        "lookalike.test", logging.INFO, "file.py", 1, message, arguments, exc_info, extra=extra
    )


@given(TEXT)
def test_what_a_client_says_forges_no_line(said: str) -> None:
    """Whatever characters a text has, as JSON it comes back as it was, for people it prints on one line."""
    logged = record("no model %s", said, path=said)
    line = json_formatter().format(logged)
    assert line.isascii()
    assert line.isprintable()
    assert (json.loads(line)["event"], json.loads(line)["path"]) == (f"no model {said}", said)
    assert text_formatter(colours=False).format(logged).isprintable()


@given(TEXT)
def test_no_error_forges_a_line(said: str) -> None:
    """An error's text stays inside its JSON object; for people each line of a traceback is indented."""
    try:
        int(said + "x")
    except ValueError as error:
        logged = record("it failed", error=error)
    assert "ValueError" in json.loads(json_formatter().format(logged))["exception"]
    first, *traceback = text_formatter(colours=False).format(logged).split("\n")
    assert "it failed" in first
    assert all(line.startswith("    ") and line.isprintable() for line in traceback)


def test_a_line_has_a_time_a_level_and_who_says_it() -> None:
    """The keys that programs rely on come first, then what the line is about."""
    logged = json.loads(json_formatter().format(record("request", status=404)))
    assert list(logged) == ["timestamp", "level", "logger", "event", "status"]
    assert (logged["level"], logged["logger"], logged["status"]) == ("info", "lookalike.test", 404)


def test_lines_of_a_request_bear_its_id() -> None:
    """What is logged while a request is answered can be found by the request's id."""
    token = REQUEST_ID.set("abc")
    try:
        assert json.loads(json_formatter().format(record("x")))["request_id"] == "abc"
        assert "request_id=abc" in text_formatter(colours=False).format(record("x"))
    finally:
        REQUEST_ID.reset(token)


def test_what_is_too_long_is_cut() -> None:
    """An error that names a whole file does not put it into the log."""
    line = json_formatter().format(record("%s", "x" * 100_000, error=ValueError("y" * 1_000_000)))
    assert len(line) < 10_000


@pytest.fixture
def restored() -> Iterator[None]:
    """What configuring changes in this process, put back."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("lookalike", "service", "uvicorn")}
    yield
    logging.captureWarnings(capture=False)
    threading.excepthook = hook
    root.handlers, root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.usefixtures("restored")
def test_levels_are_of_ours_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The level set is that of Lookalike and its server; libraries are heard from warnings on, and not below."""
    configure(Settings(log_level="debug"))
    for name in ("lookalike.models", "service.jobs.worker", "uvicorn.error", "alembic.runtime"):
        logging.getLogger(name).debug("detail")
        logging.getLogger(name).warning("trouble")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = {(line["logger"], line["level"]) for line in lines}
    assert ("alembic.runtime", "warning") in said
    assert ("alembic.runtime", "debug") not in said
    assert {("lookalike.models", "debug"), ("service.jobs.worker", "debug"), ("uvicorn", "debug")} <= said


@pytest.mark.usefixtures("restored")
def test_a_thread_that_dies_is_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that ends a thread is a line like any other, with its traceback."""
    configure(Settings())

    def die() -> None:
        raise RuntimeError("the end")

    thread = threading.Thread(target=die, name="some-thread")
    thread.start()
    thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    logged = json.loads(line)
    assert logged["event"] == "the thread some-thread died"
    assert "RuntimeError: the end" in logged["exception"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("form", "terminal", "is_json"), [
    ("auto", True, False), ("auto", False, True), ("json", True, True), ("text", False, False),
])  # fmt: skip
def test_people_get_text_and_programs_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: Any, terminal: Any, is_json: Any
) -> None:
    """At a terminal lines are text, elsewhere JSON, unless the setting says otherwise."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    configure(Settings(log_format=form))
    logging.getLogger("lookalike").info("hello")
    assert capsys.readouterr().err.startswith("{") == is_json
