"""Request bodies over a socket: what they may take of the service, together and each, and for how long."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest


def half_sent(service: Any, head: str, announced: int, content: bytes) -> socket.socket:
    """A connection on which a request began: ``content`` of the announced bytes is on its way."""
    address = (service.http.base_url.host, service.http.base_url.port)
    connection = socket.create_connection(address, timeout=60)
    lines = (head, "Host: localhost", f"Content-Length: {announced}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)
    return connection


def whole(connection: socket.socket) -> bytes:
    """An answer that ends as JSON does."""
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(65536)
    return answer


def test_bodies_together_are_bounded(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Of four clients whose images together don't fit one is told to come back; the others, and small ones, go on."""
    head = "POST /v1/classify HTTP/1.1\r\nContent-Type: image/png"
    with (
        start_service(tmp_path, max_buffered_bytes=1_000_000, max_image_bytes=300_001, max_infer_bytes=1) as service,
        ExitStack() as open_,
    ):
        clients = [open_.enter_context(half_sent(service, head, 300_001, b"x" * 300_000)) for _ in range(4)]
        (refused,), _, _ = select.select(clients, [], [], 60)
        answer = whole(refused)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b'"code":"overloaded"' in answer
        assert b"retry-after: 1" in answer.lower()
        assert service.classify(kit.image(0).read_bytes()).status_code == 200
        clients.remove(refused)
        assert select.select(clients, [], [], 0)[0] == []
        for client in clients:
            client.sendall(b"x")
            assert whole(client).startswith(b"HTTP/1.1 415")


def test_a_connection_without_a_request_is_closed(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Who sends nothing, half a head, or nothing more loses the connection; who has a request under way keeps it."""
    head, picture = "POST /v1/classify HTTP/1.1\r\nContent-Type: image/png", kit.image(0).read_bytes()
    with start_service(tmp_path, head_seconds=0.2, keep_alive_seconds=1) as service, ExitStack() as open_:
        address = (service.http.base_url.host, service.http.base_url.port)
        silent, halting, served = (open_.enter_context(socket.create_connection(address, timeout=60)) for _ in range(3))
        halting.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        served.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        uploading = open_.enter_context(half_sent(service, head, len(picture), picture[:-1]))
        assert whole(served).startswith(b"HTTP/1.1 200")
        assert [each.recv(1) for each in (silent, halting, served)] == [b"", b"", b""]
        uploading.sendall(picture[-1:])
        assert whole(uploading).startswith(b"HTTP/1.1 200")


def test_uploads_to_the_disk_hold_little(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """An upload larger than all memory for bodies goes through: what is written no longer counts."""
    with start_service(
        tmp_path, worker="off", max_buffered_bytes=3_000_000, max_image_bytes=1, max_infer_bytes=1
    ) as service:
        padded = f"image,label,note\n000.png,Coat,{'x' * 10_000_000}\n"
        assert service.submit(padded, kit.archive).status_code == 202


@pytest.mark.parametrize(
    "head",
    [
        "POST /v1/classify HTTP/1.1\r\nContent-Type: image/png",
        "POST /v1/classify HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=XX",
        "POST /v1/audits HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=XX",
        "POST /v1/audits/0123456789abcdef/decisions HTTP/1.1\r\nContent-Type: application/json",
    ],
    ids=["image", "form", "upload", "json"],
)
def test_a_body_that_stops_coming_is_given_up(start_service: Any, tmp_path: Path, head: str) -> None:
    """Whatever the route, a client that goes silent in the middle is answered with 408 and leaves nothing."""
    with start_service(tmp_path, body_seconds=0.2) as service:
        with half_sent(service, head, 1000, b"--XX\r\n") as connection:
            answer = whole(connection)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b'"code":"body_timeout"' in answer
        assert list((tmp_path / "audits").glob("*")) == []


def test_a_huge_list_of_decisions_is_refused(service: Any) -> None:
    """JSON is read whole before it is looked at, so its size is bounded, whether it is announced or not."""
    path = "/v1/audits/0123456789abcdef/decisions"

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 1_000_000

    for content in (b" " * 20_000_000, endless()):
        answer = service.http.post(path, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
