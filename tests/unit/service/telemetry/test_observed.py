"""What the outermost part of the application does when what is inside fails."""

import asyncio
import logging
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.telemetry.access_log import AccessLog
from service.telemetry.observed import Observed
from service.telemetry.traffic import Traffic

SCOPE = {"type": "http", "method": "GET", "headers": [], "raw_path": b"/x"}


def answers(app: Any, traffic: Traffic | None = None) -> list[Message]:
    """What the server is given to send."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(Observed(app, traffic or Traffic(), AccessLog("errors"))(dict(SCOPE), receive, send))
    return sent


def test_a_failure_in_the_midst_of_an_answer_is_logged_and_not_answered_again(caplog: Any) -> None:
    """Once an answer has begun no second one follows; that it is not whole is the server's to show."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    sent = answers(app)
    assert [message["type"] for message in sent] == ["http.response.start"]
    (logged,) = [each for each in caplog.records if each.exc_info]
    assert "half way" in str(logged.exc_info[1])


def test_time_is_taken_until_the_answer_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that goes on for as long as its reader likes does not look like a slow answer."""
    traffic, now = Traffic(), [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        now[0] += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        now[0] += 3600
        await send({"type": "http.response.body", "body": b""})

    answers(app, traffic)
    _, seconds = traffic.durations["GET", "none"].read()
    assert seconds == 1


def test_what_is_cancelled_is_no_failure(caplog: Any) -> None:
    """A request that the stopping server cancels leaves no traceback, and is not swallowed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        answers(app)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(("which", "status", "seconds", "wanted"), [
    ("errors", 200, 0.1, False), ("errors", 404, 0.1, True), ("errors", 200, 1.1, True), ("errors", 503, 0.1, True),
    ("off", 500, 9, False), ("all", 200, 0.1, True),
])  # fmt: skip
def test_which_requests_are_worth_a_line(which: Any, status: int, seconds: float, wanted: bool) -> None:
    """By default failures and what was slow, on demand everything, or nothing."""
    assert AccessLog(which).wants(status, seconds) == wanted
