"""Told to stop, a server goes on for a while, and says that it will."""

import signal
from typing import Any


def test_a_draining_server_answers_but_is_not_ready(lookalike: Any, kit: Any, serving: Any) -> None:
    """Between SIGTERM and the end, requests are answered, connections closed after it, and readiness is off."""
    process = lookalike.process("serve", "--port", "0", settings={"LOOKALIKE_DRAIN_SECONDS": "3600"})
    with serving(process) as (client, _):
        assert client.get("/readyz").headers.get("connection") != "close"
        process.send_signal(signal.SIGTERM)
        while client.get("/readyz").status_code == 200:
            assert process.poll() is None
        assert client.get("/readyz").json()["status"] == "draining"
        answer = client.post("/v1/classify", content=kit.image(0).read_bytes(), headers={"Content-Type": "image/png"})
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        process.send_signal(signal.SIGTERM)  # a second one ends it
        assert process.wait(60) == 0


def test_the_draining_ends_by_itself(lookalike: Any, serving: Any) -> None:
    """After the time for it the server ends as it does without."""
    process = lookalike.process("serve", "--port", "0", settings={"LOOKALIKE_DRAIN_SECONDS": "0.2"})
    with serving(process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
