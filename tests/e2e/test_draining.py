"""Told to stop, a server goes on for a while, and says that it will."""

import signal
import socket
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


def test_a_request_half_sent_before_the_signal_is_answered(lookalike: Any, kit: Any, serving: Any) -> None:
    """With the settings as they come: what had not arrived whole at SIGTERM is answered, and then the server ends."""
    process = lookalike.process("serve", "--port", "0")
    with serving(process) as (client, _):
        picture = kit.image(0).read_bytes()
        with socket.create_connection((client.base_url.host, client.base_url.port), timeout=60) as connection:
            connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n")
            process.send_signal(signal.SIGTERM)
            connection.sendall(b"Content-Length: %d\r\n\r\n" % len(picture) + picture)
            assert connection.recv(1024).startswith(b"HTTP/1.1 200 ")
        assert process.wait(60) == 0
