"""The log of the real server and its worker: programs can read all of it, and people are told where to look."""

import json
import signal
from typing import Any

WAIT = 60
FORGED = "x%0d%0a%7b%22level%22%3a%22critical%22%7d%1b%5b31m"
"""A name that would end a line, begin another, and colour it."""


def logged(said: list[str]) -> list[dict[str, Any]]:
    """The lines of a log; fails where one is not a JSON object."""
    lines = [json.loads(line) for line in said]
    assert all({"timestamp", "level", "logger", "event"} <= line.keys() for line in lines)
    return lines


def ended(client: Any, location: str) -> str:
    with client.stream("GET", f"{location}/events") as stream:
        states = [line for line in stream.iter_lines() if line.startswith("data: ")]
    return str(json.loads(states[-1].removeprefix("data: "))["status"])


def test_every_line_is_json_whatever_clients_say(lookalike: Any, kit: Any, serving: Any) -> None:
    """From start to end server and worker write JSON objects, a line each, and no client can forge one."""
    process = lookalike.process("serve", "--port", 0, settings={"LOOKALIKE_ACCESS_LOG": "all"})
    with serving(process) as (client, said):
        client.get(f"/v1/models/{FORGED}", headers={"X-Request-Id": "mine"})
        client.get("/nope?key=lk_secret", headers={"Authorization": "Bearer lk_secret"})
        picture = kit.image(0).read_bytes()
        client.post("/v1/classify", content=picture, headers={"Content-Type": "image/png"})
        labels = b"image,label\n000.png,Coat\n\x1b[31msecret.png,Bag\n"
        files = {"labels": ("labels.csv", labels), "images": ("images.zip", kit.archive)}
        location = client.post("/v1/audits", files=files).headers["Location"]
        assert ended(client, location) == "succeeded"
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0
    lines = logged(said)
    assert not any(line["level"] in {"warning", "error", "critical"} for line in lines)
    (forger,) = [line for line in lines if line.get("request_id") == "mine"]
    assert (forger["route"], forger["status"]) == ("/v1/models/{name}", 404)
    assert "secret" not in "".join(said)
    assert any("running on http://127.0.0.1:" in line["event"] for line in lines)
    assert {"/v1/classify", "/v1/audits"} <= {line.get("route") for line in lines}


def test_people_read_text(lookalike: Any, serving: Any) -> None:
    """In text form the line that says where the server listens is plain, and forging a line fails there, too."""
    process = lookalike.process("serve", "--port", 0, settings={"LOOKALIKE_LOG_FORMAT": "text"})
    with serving(process) as (client, said):
        client.get(f"/v1/models/{FORGED}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0
    assert any(f"running on {str(client.base_url).rstrip('/')} " in line for line in said)
    assert all(line[:2].isdigit() and line.rstrip("\n").isprintable() for line in said)
    assert any("route=/v1/models/{name}" in line for line in said)


def test_a_worker_by_itself_logs_like_the_server(lookalike: Any, kit: Any, eventually: Any, serving: Any) -> None:
    """What goes wrong in `lookalike worker` is a JSON line of the same form, with its traceback inside."""
    settings = {"LOOKALIKE_WORKER": "off"}
    with serving(lookalike.process("serve", "--port", 0, settings=settings)) as (client, _):
        files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
        location = client.post("/v1/audits", files=files).headers["Location"]
        folder = lookalike.cwd / "data" / "audits" / location.rpartition("/")[2]
        (folder / "options.json").write_text("not what the service wrote")
        worker = lookalike.process("worker")
        try:
            assert ended(client, location) == "failed"
        finally:
            worker.send_signal(signal.SIGTERM)
            _, err = worker.communicate(timeout=WAIT)
    (line,) = logged(err.splitlines())
    assert (line["level"], line["logger"]) == ("error", "service.jobs.worker")
    assert "Traceback" in line["exception"]
