"""The gate: who gets to the application, and what is said to the others."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.access.caller import ANYBODY
from service.access.gate import Gate
from service.access.key_file import add_key
from service.access.keyring import Keyring
from service.access.keys import new_key
from service.access.rates import Rates


@dataclass
class Answer:
    """What came back: of the gate, or 200 of the application behind it with the caller that it saw."""

    status: int
    headers: dict[str, str]
    body: Any
    caller: Any = None


def ask(
    gate: Gate,
    path: str = "/v1/classify",
    *authorization: str,
    method: str = "POST",
    client: str = "192.0.2.1",
    mount: str = "",
    host: bytes = b"x",
    said: Sequence[tuple[bytes, bytes]] = (),
) -> Answer:
    headers = [(b"host", host), *said, *((b"authorization", value.encode("latin-1")) for value in authorization)]
    scope = {
        "type": "http", "method": method, "path": path, "root_path": mount, "headers": headers, "client": (client, 1),
        "state": {},
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        pytest.fail("the gate reads no body")

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    if not sent:
        return Answer(200, {}, None, scope["state"].get("caller"))
    headers_sent = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers_sent, json.loads(sent[1]["body"]))


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers nothing: reaching it is what counts."""


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Authorization headers by the name of the key, which is that of its scope."""
    headers = {}
    for name in ("classify", "audit", "admin"):
        secret, key = new_key(name, [name])  # type: ignore[list-item]
        add_key(tmp_path / "keys.json", key)
        headers[name] = f"Bearer {secret}"
    return headers


@pytest.fixture
def gated(tmp_path: Path, keys: dict[str, str]) -> Callable[..., Gate]:
    def make(rates: Rates | None = None) -> Gate:
        return Gate(application, Keyring(tmp_path / "keys.json"), rates)

    return make


ROUTES = [
    ("POST", "/v1/classify", {"classify", "admin"}),
    ("GET", "/v1/models", {"classify", "admin"}),
    ("GET", "/v1/models/fashion-mnist", {"classify", "admin"}),
    ("DELETE", "/v1/models/fashion-mnist", {"admin"}),
    ("GET", "/v2", {"classify", "admin"}),
    ("POST", "/v2/models/fashion-mnist/infer", {"classify", "admin"}),
    ("POST", "/v2/repository/index", {"classify", "admin"}),
    ("POST", "/v2/repository/models/fashion-mnist/load", {"admin"}),
    ("POST", "/v2/repository/models/fashion-mnist/unload", {"admin"}),
    ("POST", "/v1/audits", {"audit", "admin"}),
    ("GET", "/v1/audits/0123456789abcdef/rows", {"audit", "admin"}),
    ("GET", "/metrics", {"admin"}),
    ("GET", "/docs", {"classify", "audit", "admin"}),
    ("GET", "/openapi.json", {"classify", "audit", "admin"}),
    ("GET", "/", {"classify", "audit", "admin"}),
    ("GET", "/no/such/path", {"classify", "audit", "admin"}),
    ("BREW", "/healthz/pot", {"classify", "audit", "admin"}),
]


@pytest.mark.parametrize(("method", "path", "scopes"), ROUTES)
def test_a_path_asks_for_its_scope(
    gated: Callable[..., Gate], keys: dict[str, str], method: str, path: str, scopes: set[str]
) -> None:
    """Without a key the answer is 401, with a key of another scope 403, with the right one the request goes on."""
    gate = gated()
    assert ask(gate, path, method=method).status == 401
    for name, header in keys.items():
        answer = ask(gate, path, header, method=method)
        assert answer.status == (200 if name in scopes else 403)
        if answer.status == 200:
            assert answer.caller.key == name


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_health_asks_for_nothing(gated: Callable[..., Gate], path: str) -> None:
    """Whoever watches the service needs no key, and may send a wrong one."""
    assert ask(gated(), path, method="GET").status == 200
    assert ask(gated(), path, "Bearer wrong", method="GET").status == 200


def test_refusals_say_what_rfc_6750_says(gated: Callable[..., Gate], keys: dict[str, str]) -> None:
    """A client learns from the challenge whether it sent no key, a wrong one, or one of another scope."""
    missing, wrong = ask(gated()), ask(gated(), "/v1/classify", "Bearer lk_wrong")
    narrow = ask(gated(), "/v1/classify", keys["audit"])
    assert missing.headers["www-authenticate"] == 'Bearer realm="lookalike"'
    assert wrong.headers["www-authenticate"] == 'Bearer realm="lookalike", error="invalid_token"'
    scope = 'Bearer realm="lookalike", error="insufficient_scope", scope="classify"'
    assert narrow.headers["www-authenticate"] == scope
    codes = ["key_missing", "key_invalid", "insufficient_scope"]
    assert [answer.body["code"] for answer in (missing, wrong, narrow)] == codes
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in (missing, wrong, narrow))


def test_under_v2_errors_are_those_of_the_protocol(gated: Callable[..., Gate]) -> None:
    """A client of the Open Inference Protocol finds `error`, and nothing else, in the body."""
    answer = ask(gated(), "/v2/models/m/infer")
    assert (answer.status, answer.body.keys()) == (401, {"error"})
    assert "www-authenticate" in answer.headers


def test_only_the_bearer_scheme_counts(gated: Callable[..., Gate], keys: dict[str, str]) -> None:
    """Its name may be written in any case; other schemes, two headers, or a bare key are as good as none."""
    secret = keys["classify"].removeprefix("Bearer ")
    gate = gated()
    for good in (f"Bearer {secret}", f"bearer {secret}", f"BEARER   {secret} "):
        assert ask(gate, "/v1/classify", good).status == 200
    for bad in (
        secret,
        f"Basic {secret}",
        f"Bearer{secret}",
        f"Bearer {secret}, {secret}",
        "Bearer",
        "",
        f"\xff {secret}",
    ):
        assert ask(gate, "/v1/classify", bad).status == 401
    assert ask(gate, "/v1/classify", keys["classify"], keys["classify"]).status == 401


def test_without_keys_anybody_may_do_anything() -> None:
    """Where the operator set no keys nobody is asked for one."""
    for method, path, _ in ROUTES:
        assert ask(Gate(application, None, None), path, method=method).caller is ANYBODY


SITE, ORIGIN = b"sec-fetch-site", b"origin"
OURS = [
    [],
    [(SITE, b"same-origin")],
    [(SITE, b"none")],
    [(SITE, b"same-origin"), (ORIGIN, b"https://behind.a.proxy.example")],
    [(ORIGIN, b"http://x:8000")],
    [(ORIGIN, b"https://x:8000")],
]
THEIRS = [
    [(SITE, b"cross-site")],
    [(SITE, b"same-site"), (ORIGIN, b"http://x:8000")],
    [(SITE, b"")],
    [(ORIGIN, b"http://x:8001")],
    [(ORIGIN, b"http://x")],
    [(ORIGIN, b"http://[")],
    [(ORIGIN, b"file://x:8000")],
    [(ORIGIN, b"null")],
    [(ORIGIN, b"")],
    [(ORIGIN, b"http://x:8000"), (ORIGIN, b"http://evil.example")],
]
"""What browsers, and nobody else, say of the page that makes a request to http://x:8000."""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_pages_of_other_origins_change_nothing(gated: Callable[..., Gate], keys: dict[str, str], method: str) -> None:
    """With keys and without, on every path: a browser's request goes on only where it says that it comes from here."""
    for path in ("/v1/audits", "/v1/classify", "/try", "/sign-in", "/healthz", "/no/such/path"):
        for gate, key in ((gated(), [keys["admin"]]), (Gate(application, None, None), [])):
            for said in OURS:
                assert ask(gate, path, *key, method=method, host=b"x:8000", said=said).status == 200
            for said in THEIRS:
                answer = ask(gate, path, *key, method=method, host=b"x:8000", said=said)
                assert (answer.status, answer.body["code"]) == (403, "other_origin")


def test_under_v2_pages_of_other_origins_are_told_by_the_protocol() -> None:
    """A refusal there has the protocol's one field."""
    answer = ask(Gate(application, None, None), "/v2/models/m/infer", said=[(SITE, b"cross-site")])
    assert (answer.status, answer.body.keys()) == (403, {"error"})


def test_an_origin_without_a_host_is_no_page_of_ours() -> None:
    """Where a request does not say whom it was sent to, no page can be the one's that it was sent to."""
    for said in THEIRS:
        assert ask(Gate(application, None, None), host=b"", said=said).status == 403


def test_reading_is_left_to_the_browser() -> None:
    """Links from elsewhere work, and pages of others can send what they can't read the answer of."""
    for said in (*OURS, *THEIRS):
        assert ask(Gate(application, None, None), "/v1/audits", method="GET", said=said).status == 200


def test_a_service_for_this_machine_answers_to_its_names_alone() -> None:
    """A page can have its own host's name lead here, and read all it wants, but the name shows; programs need none."""
    gate = Gate(application, None, None, this_machine=True)
    for ours in (b"localhost", b"LocalHost:8000", b"127.0.0.1:8000", b"127.1.2.3", b"[::1]", b"[::1]:8000"):
        assert ask(gate, "/v1/audits", method="GET", host=ours).status == 200
    for other in (
        b"evil.example:8000",
        b"localhost.evil.example",
        b"127.0.0.1.nip.io",
        b"127.0.0.1:8000@evil.example",
        b"localhost\n",
        b"evil-localhost",
        b"192.168.1.2",
        b"",
    ):
        for path in ("/v1/audits", "/healthz"):
            answer = ask(gate, path, method="GET", host=other)
            assert (answer.status, answer.body["code"]) == (421, "other_host")
    twice = ask(gate, "/v1/audits", method="GET", host=b"localhost", said=[(b"host", b"evil.example")])
    assert twice.status == 421


def test_a_mount_does_not_matter(gated: Callable[..., Gate], keys: dict[str, str]) -> None:
    """Where the application is mounted below a path, what counts is the path below it."""
    gate = gated()
    assert ask(gate, "/api/v1/audits", keys["classify"], mount="/api").status == 403
    assert ask(gate, "/api/healthz", mount="/api").status == 200
    assert ask(gate, "/apis/healthz", mount="/api").status == 401
    assert ask(gate, "/api", mount="/api").status == 401


def test_rates_are_those_of_each_key(gated: Callable[..., Gate], keys: dict[str, str]) -> None:
    """Who asks too often is told when to come back; another key, from the same address, is not held up."""
    gate = gated(Rates(0.5, 2))
    assert [ask(gate, "/v1/classify", keys["classify"]).status for _ in range(3)] == [200, 200, 429]
    answer = ask(gate, "/v1/classify", keys["classify"], client="192.0.2.99")
    assert (answer.status, answer.body["code"], answer.headers["retry-after"]) == (429, "rate", "2")
    assert ask(gate, "/v1/classify", keys["admin"]).status == 200
    assert ask(gate, "/healthz").status == 200


def test_without_keys_rates_are_those_of_each_address() -> None:
    """Addresses of one IPv6 network count as one, since a client has them all."""
    gate = Gate(application, None, Rates(0.5, 1))
    assert [ask(gate, client="192.0.2.1").status for _ in range(2)] == [200, 429]
    assert ask(gate, client="192.0.2.2").status == 200
    assert ask(gate, client="2001:db8::1").status == 200
    assert ask(gate, client="2001:db8::ffff:2").status == 429
    assert ask(gate, client="2001:db8:0:1::1").status == 200


def test_wrong_keys_are_slowed_down_and_right_ones_never(gated: Callable[..., Gate], keys: dict[str, str]) -> None:
    """After some wrong keys their address is told to wait; a right key from there, and other addresses, are not."""
    gate = gated()
    statuses = [ask(gate, "/v1/classify", f"Bearer lk_{i}").status for i in range(30)]
    assert statuses == [401] * 20 + [429] * 10
    assert int(ask(gate, "/v1/classify", "Bearer lk_").headers["retry-after"]) >= 1
    assert ask(gate, "/v1/classify", keys["classify"]).status == 200
    assert ask(gate, "/v1/classify", "Bearer lk_", client="192.0.2.2").status == 401


def test_websockets_are_closed(gated: Callable[..., Gate]) -> None:
    """There are none, so none gets past the gate."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gated()({"type": "websocket", "path": "/v1/audits", "headers": []}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
