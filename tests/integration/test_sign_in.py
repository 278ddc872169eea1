"""Signing in: a browser keeps the key, and only this service's own pages may use it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.access.key_file import add_key, revoke_key
from service.access.keys import new_key

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
OURS = {"Sec-Fetch-Site": "same-origin"}


class Door:
    """A service with keys, and a browser that has none yet."""

    def __init__(self, service: Any, keys: Path, secret: str) -> None:
        self.service, self.keys, self.secret = service, keys, secret
        self.http = httpx.Client(base_url=service.http.base_url, trust_env=False, timeout=60)

    def sign_in(self, key: str, headers: dict[str, str] = OURS, **form: str) -> httpx.Response:
        return self.http.post("/sign-in", data={"key": key, **form}, headers=BROWSER | headers)


@pytest.fixture
def door(start_service: Any, tmp_path: Path) -> Iterator[Door]:
    secret, key = new_key("ann", ["audit", "classify"])
    add_key(tmp_path / "keys.json", key)
    with start_service(tmp_path / "data", keys_file=tmp_path / "keys.json", worker="off") as service:
        door = Door(service, tmp_path / "keys.json", secret)
        with door.http:
            yield door


@pytest.mark.parametrize("path", ["/", "/classify", "/docs", "/audits/0123456789abcdef?sort=row"])
def test_a_browser_without_a_key_is_led_to_sign_in_and_back(door: Door, path: str) -> None:
    """Whoever opens a page is asked for the key first, and then sees the page that he wanted to see."""
    led = door.http.get(path, headers=BROWSER)
    assert (led.status_code, led.headers["Location"].partition("?")[0]) == (303, "/sign-in")
    form = door.http.get(led.headers["Location"], headers=BROWSER)
    assert form.status_code == 200
    target = httpx.URL(led.headers["Location"]).params["next"]
    answer = door.sign_in(door.secret, next=target)
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    assert door.http.get(path, headers=BROWSER).status_code in {200, 404}


def test_what_only_a_key_shows_is_not_kept(door: Door) -> None:
    """After signing out the browser can't go back to a page from its memory; pages for anybody may be kept."""
    door.sign_in(door.secret)
    assert door.http.get("/", headers=BROWSER).headers["Cache-Control"] == "no-store"
    door.http.cookies.clear()
    assert door.http.get("/sign-in", headers=BROWSER).headers["Cache-Control"] == "private, no-cache"


def test_the_cookie_is_out_of_reach(door: Door) -> None:
    """No script reads the key and no other site's request carries it; over HTTPS it never goes over plain HTTP."""
    plain = door.sign_in(door.secret).headers["Set-Cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= set(plain.split("; "))
    assert "secure" not in plain.split("; ")
    behind_tls = door.sign_in(door.secret, OURS | {"X-Forwarded-Proto": "https"}).headers["Set-Cookie"].lower()
    assert "secure" in behind_tls.split("; ")


def test_a_wrong_key_is_told_so(door: Door) -> None:
    """A key that is not in force leaves no cookie, and the page says what is wrong."""
    for wrong in ("", "lk_no", door.secret[:-1] + "!", "ü"):
        answer = door.sign_in(wrong)
        assert (answer.status_code, "unknown, expired or revoked" in answer.text) == (401, True)
        assert "Set-Cookie" not in answer.headers


def test_keys_are_not_guessed_here_either(door: Door) -> None:
    """Wrong keys count, whether they are sent or typed; who types too many is told to wait, and a right key gets in."""
    for _ in range(10):
        door.http.get("/v1/audits", headers={"Authorization": "Bearer lk_wrong"})
    typed = [door.sign_in("lk_wrong") for _ in range(40)]
    assert [answer.status_code for answer in typed][:10] == [401] * 10
    refused = typed[-1]
    assert (refused.status_code, "then try again" in refused.text) == (429, True)
    assert int(refused.headers["Retry-After"]) >= 1
    assert door.sign_in(door.secret).status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "{host}"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": "{host}"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_only_our_own_pages_may_use_the_cookie(door: Door, headers: dict[str, str], status: int, kit: Any) -> None:
    """A request that another origin's page makes gets nothing done, though the browser sends the key along."""
    door.sign_in(door.secret)
    host = str(door.service.http.base_url).rstrip("/")
    sent = {name: value.format(host=host) for name, value in headers.items()}
    answer = door.http.post(
        "/v1/classify", content=kit.image(0).read_bytes(), headers=sent | {"Content-Type": "image/png"}
    )
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "other_origin"


def test_a_page_of_another_origin_can_read_nothing(door: Door) -> None:
    """Also what is only read is not given to a request that another origin made, unless a person navigates here."""
    door.sign_in(door.secret)
    ways = [("same-origin", "cors"), ("none", "navigate"), ("same-site", "no-cors"), ("same-site", "navigate")]
    sent = [{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode} for site, mode in ways]
    assert [door.http.get("/v1/audits", headers=each).status_code for each in sent] == [200, 200, 403, 200]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_nobody_is_signed_in_or_out_by_another_page(door: Door, path: str) -> None:
    """A form on another page neither signs a person in with its author's key nor out."""
    answer = door.http.post(path, data={"key": door.secret}, headers={"Origin": "http://evil.example"} | BROWSER)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "javascript:x", "", "/\r\n"],
)
def test_signing_in_leads_nowhere_else(door: Door, target: str) -> None:
    """Whatever an address says, who signs in stays on this host."""
    assert door.sign_in(door.secret, next=target).headers["Location"] == "/"


def test_signing_out_and_revoking_end_it(door: Door, eventually: Any) -> None:
    """After signing out the browser has no key; one that is revoked opens nothing from then on."""
    door.sign_in(door.secret)
    assert door.http.get("/", headers=BROWSER).status_code == 200
    out = door.http.post("/sign-out", headers=OURS | BROWSER)
    assert out.headers["Location"] == "/sign-in"
    assert door.http.get("/", headers=BROWSER).status_code == 303
    door.sign_in(door.secret)
    revoke_key(door.keys, "ann")
    eventually(lambda: door.http.get("/", headers=BROWSER).status_code == 303, "the key is no longer in force")
    assert door.http.get("/v1/audits").json()["code"] == "key_invalid"


def test_a_sent_key_counts_before_the_kept_one(door: Door) -> None:
    """A program on the same machine that sends a key is not mistaken for the browser's user."""
    door.sign_in(door.secret)
    answer = door.http.get("/v1/audits", headers={"Authorization": "Bearer lk_wrong"})
    assert answer.json()["code"] == "key_invalid"


def test_without_keys_nobody_is_asked(service: Any) -> None:
    """Where no keys are set the pages are open, and the page that would ask leads on."""
    assert service.http.get("/", headers=BROWSER).status_code == 200
    assert service.http.get("/sign-in", headers=BROWSER).headers["Location"] == "/"


def test_a_key_that_may_not_audit_is_told_so(door: Door, eventually: Any) -> None:
    """Whoever has a key for classifying sees on the front page what it is for, and of an audit that it is not."""
    secret, key = new_key("eve", ["classify"])
    add_key(door.keys, key)
    eventually(lambda: door.sign_in(secret).status_code == 303, "eve gets in")
    front = door.http.get("/", headers=BROWSER)
    assert (front.status_code, "The key eve may not audit" in front.text) == (200, True)
    refused = door.http.get("/audits/0123456789abcdef", headers=BROWSER)
    assert (refused.status_code, "scope audit" in refused.text) == (403, True)


@pytest.mark.parametrize("said", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}])
def test_without_keys_another_page_changes_nothing(service: Any, said: dict[str, str]) -> None:
    """A page that somebody happens to visit submits and removes no audits of a service on his own machine."""
    submitted = service.http.post("/v1/audits", files={"labels": ("l.csv", "image,label,prob_a,prob_b\nx,a,0.5,0.5\n")})
    audit = submitted.headers["Location"]
    refused = [
        service.http.post("/try", headers=said),
        service.http.post("/v1/audits", files={"labels": ("l.csv", "a,b\n")}, headers=said),
        service.http.post("/v1/classify", content=b"x", headers=said),
        service.http.patch(f"{audit}/rows/0", json={"decision": "keep"}, headers=said),
        service.http.delete(audit, headers=said),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "other_origin")] * 5
    infer = service.http.post("/v2/models/fashion-mnist/infer", json={}, headers=said)
    assert (infer.status_code, infer.json().keys()) == (403, {"error"})
    assert service.http.get(audit).status_code == 200
    assert service.http.delete(audit, headers=OURS).status_code == 204


def test_a_name_that_was_made_to_lead_here_leads_nowhere(service: Any) -> None:
    """A page of a host whose name is given this machine's address reads nothing of a service without keys."""
    for path in ("/", "/v1/audits", "/openapi.json"):
        answer = service.http.get(path, headers={"Host": f"evil.example:{service.http.base_url.port}"})
        assert (answer.status_code, answer.json()["code"]) == (421, "other_host")
