"""A service with keys, over a socket: who gets in, and whose audits are whose."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.access.key_file import add_key, revoke_key
from service.access.keys import new_key

LABELS = "image,label\n000.png,Coat\n001.png,Trouser\n"


def half_sent(service: Any, head: str, announced: int, content: bytes) -> socket.socket:
    """A connection on which a request began: ``content`` of the announced bytes is on its way."""
    address = (service.http.base_url.host, service.http.base_url.port)
    connection = socket.create_connection(address, timeout=60)
    lines = (head, "Host: localhost", f"Content-Length: {announced}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)
    return connection


def status(connection: socket.socket) -> int:
    return int(connection.recv(4096).split(b" ")[1])


class WithKeys:
    """A service that asks for keys, and the keys."""

    def __init__(self, service: Any, path: Path) -> None:
        self.service, self.path = service, path

    def key(self, name: str, *scopes: Any) -> dict[str, str]:
        """Headers with a new key."""
        secret, key = new_key(name, scopes)
        add_key(self.path, key)
        return {"Authorization": f"Bearer {secret}"}

    def submit(self, headers: dict[str, str], labels: str = LABELS, archive: bytes = b"") -> httpx.Response:
        files = {"labels": ("labels.csv", labels)} | ({"images": ("i.zip", archive)} if archive else {})
        answer: httpx.Response = self.service.http.post("/v1/audits", files=files, headers=headers)
        return answer


@pytest.fixture
def with_keys(start_service: Any, tmp_path: Path) -> Iterator[Callable[..., WithKeys]]:
    """Starts a service with one key, called `first`; further ones count as soon as they are in the file."""
    with ExitStack() as running:

        def start(**settings: Any) -> WithKeys:
            path = tmp_path / "keys.json"
            add_key(path, new_key("first", ["classify"])[1])
            service = running.enter_context(start_service(tmp_path / "data", keys_file=path, **settings))
            return WithKeys(service, path)

        yield start


def test_keys_come_and_go_while_the_service_runs(with_keys: Any, kit: Any, eventually: Any) -> None:
    """A new key is let in and a revoked one is not, without a restart; without a key only health answers."""
    access = with_keys()
    http, image = access.service.http, kit.image(0).read_bytes()
    headers = access.key("ann", "classify") | {"Content-Type": "image/png"}
    eventually(lambda: http.post("/v1/classify", content=image, headers=headers).status_code == 200, "ann gets in")
    revoke_key(access.path, "ann")
    eventually(lambda: http.post("/v1/classify", content=image, headers=headers).status_code == 401, "ann does not")
    for path in ("/v1/models", "/v1/audits", "/", "/docs", "/openapi.json", "/nowhere"):
        assert (http.get(path).status_code, http.get(path).json()["code"]) == (401, "key_missing")
    assert [http.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_the_description_says_which_key_is_needed(with_keys: Any, service: Any, eventually: Any) -> None:
    """OpenAPI names the scheme and each route's scope where keys are asked for, and nothing of it elsewhere."""
    access = with_keys()
    headers = access.key("ann", "audit")
    eventually(lambda: access.service.http.get("/docs", headers=headers).status_code == 200, "ann gets in")
    described = access.service.http.get("/openapi.json", headers=headers).json()
    assert described["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert described["paths"]["/v1/audits"]["post"]["security"] == [{"key": ["audit"]}]
    assert described["paths"]["/v1/classify"]["post"]["security"] == [{"key": ["classify"]}]
    assert "security" not in described["paths"]["/healthz"]["get"]
    assert "securitySchemes" not in service.http.get("/openapi.json").json()["components"]


def test_audits_and_decisions_bear_the_keys_name(with_keys: Any, kit: Any, eventually: Any) -> None:
    """The state of an audit says whose it is; a decision is the key's bearer's, whatever author it claims."""
    access = with_keys()
    headers = access.key("ann", "audit")
    http = access.service.http
    eventually(lambda: http.get("/v1/audits", headers=headers).status_code == 200, "ann gets in")
    http.headers.update(headers)
    submitted = access.submit(headers, archive=kit.archive)
    assert submitted.json()["owner"] == "ann"
    location = submitted.headers["Location"]
    assert access.service.ended(location)["owner"] == "ann"
    assert http.patch(f"{location}/rows/0", json={"decision": "keep"}).json()["author"] == "ann"
    many = {
        "decisions": [{"row": 1, "decision": "keep"}, {"row": 0, "decision": "unsure", "version": 1, "author": "x"}]
    }
    taken = http.post(f"{location}/decisions", json=many).json()["taken"]
    assert [each["author"] for each in taken] == ["ann", "ann"]


def test_without_keys_nobody_is_the_author(service: Any, kit: Any) -> None:
    """Where nobody has a key audits are `local`, and a decision has the author that it was sent with, or none."""
    location = service.audit(LABELS, kit.archive)
    assert service.http.get(location).json()["owner"] == "local"
    assert service.http.patch(f"{location}/rows/0", json={"decision": "keep"}).json()["author"] is None


def test_each_key_has_a_quota_of_audits(with_keys: Any, kit: Any, eventually: Any) -> None:
    """One key's audits wait in vain for more room while another's are taken; the answer says what to do."""
    access = with_keys(worker="off", max_audits_per_key=1, max_audits=3)
    ann, bob, eve = (access.key(name, "audit") for name in ("ann", "bob", "eve"))
    eventually(lambda: access.service.http.get("/v1/audits", headers=eve).status_code == 200, "eve gets in")
    assert access.submit(ann, archive=kit.archive).status_code == 202
    refused = access.submit(ann, archive=kit.archive)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota")
    assert "of 'ann' wait or run already" in refused.json()["detail"]
    assert access.submit(bob, archive=kit.archive).status_code == 202


def test_a_quota_counts_before_anything_is_received(with_keys: Any, eventually: Any) -> None:
    """An upload too large for what a key may keep is refused by what it announces; those under way count as well."""
    access = with_keys(max_kept_bytes_per_key=1_000_000, max_audits=2)
    ann, bob = access.key("ann", "audit"), access.key("bob", "audit")
    eventually(lambda: access.service.http.get("/v1/audits", headers=bob).status_code == 200, "bob gets in")

    def begin(headers: dict[str, str], announced: int) -> socket.socket:
        head = "POST /v1/audits HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=XX\r\nAuthorization: "
        return half_sent(access.service, head + headers["Authorization"], announced, b"")

    folders = access.service.data_dir / "audits"
    with begin(ann, 2_000_000) as connection:
        assert status(connection) == 429
    assert not folders.exists() or list(folders.iterdir()) == []
    with begin(ann, 600_000):
        eventually(lambda: folders.exists() and len(list(folders.iterdir())) == 1, "the first has begun")
        with begin(ann, 600_000) as connection:
            assert status(connection) == 429
        with begin(bob, 600_000):
            eventually(lambda: len(list(folders.iterdir())) == 2, "bob's has begun")
            with begin(bob, 1) as connection:
                assert status(connection) == 429
    eventually(lambda: list(folders.iterdir()) == [], "both are given up")


def test_an_upload_without_a_key_is_not_received(with_keys: Any, tmp_path: Path) -> None:
    """Whoever has no key is told so before the body is sent, and nothing is stored."""
    access = with_keys()
    head = "POST /v1/audits HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=XX"
    with half_sent(access.service, head, 10**9, b"") as connection:
        assert status(connection) == 401
    assert not (access.service.data_dir / "audits").exists()


def test_rates_hold_for_the_whole_service(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """With a rate who asks too often is told when to come back, whatever he asks for; health always answers."""
    with start_service(tmp_path, rate_per_second=0.001, rate_burst=2) as service:
        assert service.http.get("/v1/models").status_code == 200
        assert service.http.get("/nowhere").status_code == 404
        answer = service.classify(kit.image(0).read_bytes())
        assert (answer.status_code, answer.json()["code"]) == (429, "rate")
        assert 0 < int(answer.headers["Retry-After"]) <= 1000
        assert service.http.get("/healthz").status_code == 200
