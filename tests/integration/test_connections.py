"""Connections that do harm: they say no end of a head, read nothing, come too many, or leave half-way."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def connected(service: Any, stack: ExitStack, *, buffer: int | None = None) -> socket.socket:
    """A connection to a service, with a receive buffer of so many bytes."""
    client = stack.enter_context(socket.socket())
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(60)
    client.connect((service.http.base_url.host, service.http.base_url.port))
    return client


def said(client: socket.socket) -> bytes:
    """All that is said until the connection ends, one way or the other."""
    told = b""
    try:
        while piece := client.recv(65_536):
            told += piece
    except ConnectionError:
        pass
    return told


def test_who_says_no_more_still_hears(service: Any) -> None:
    """A client that closes its half right after the request, as netcat does, gets its answer."""
    for _ in range(20):
        with ExitStack() as stack:
            client = connected(service, stack)
            client.sendall(HEAD + b"\r\n")
            client.shutdown(socket.SHUT_WR)
            assert said(client).endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("piece", [b"a: b\r\n", b"x"], ids=["fields", "field"])
def test_a_head_has_an_end(service: Any, piece: bytes) -> None:
    """A head without end, of many fields or of one, is not collected: the connection is closed, and others go on."""
    with ExitStack() as stack:
        client = connected(service, stack)
        client.sendall(HEAD + (b"y: " if piece == b"x" else b""))
        with pytest.raises(ConnectionError):
            client.sendall(piece * 20_000_000)
        assert service.http.get("/healthz").status_code == 200


def test_a_large_head_is_told_so(service: Any) -> None:
    """A head beyond 64 kB, as too many cookies make it, is answered with 431."""
    with ExitStack() as stack:
        client = connected(service, stack)
        client.sendall(HEAD + b"cookie: " + b"x" * 66_000)
        assert said(client).startswith(b"HTTP/1.1 431")


def test_fields_after_the_body_are_no_head(service: Any) -> None:
    """A trailer can't pass for a header: what it says of the request's id is not repeated."""
    with ExitStack() as stack:
        client = connected(service, stack)
        client.sendall(
            b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Request-Id: trailing\r\n\r\n"
        )
        answer = said(client)
        assert answer.startswith(b"HTTP/1.1 415")
        assert b"trailing" not in answer


def test_who_does_not_read_is_cut_off(start_service: Any, tmp_path: Path, eventually: Any) -> None:
    """A client that asks for much and reads nothing of it loses its place to others."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with start_service(tmp_path, max_connections=2, body_seconds=0.5) as service, ExitStack() as stack:
        service.http.get("/healthz")  # and keeps its connection
        deaf = connected(service, stack, buffer=4096)
        deaf.sendall(asked * 40)

        def another_one_is_served() -> bool:
            with ExitStack() as brief:
                client = connected(service, brief)
                client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return said(client).startswith(b"HTTP/1.1 200")

        assert not another_one_is_served()
        eventually(another_one_is_served, "the place is free")


def test_the_wall_is_for_those_who_come_late(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """Who was there first is served however many come after; those are told to come back."""
    with start_service(tmp_path, max_connections=2) as service, ExitStack() as stack:
        picture = kit.image(0).read_bytes()
        assert service.classify(picture).status_code == 200
        late = [connected(service, stack) for _ in range(3)][-1]
        late.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b'"code":"connections"' in said(late)
        assert service.classify(picture).status_code == 200
