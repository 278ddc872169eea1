"""Asking a service: its limits, its moods, and whatever else may answer at an address."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from service.access.key_file import add_key
from service.access.keys import new_key
from service.clients.document import Document
from service.clients.remote import MOST_TRIES, Remote, RemoteError, _TooMuchError
from service.settings import Settings

Answer = tuple[int, str, dict[str, str], bytes]
GOOD: Answer = (200, "application/json", {}, b'{"model": {"name": "a", "version": "1"}, "predictions": [{}]}')


@contextmanager
def scripted(answer: Callable[[int], Answer]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers its n-th request as told: its address, and the headers of the requests."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(dict(self.headers))
            status, kind, headers, body = answer(len(seen))
            self.send_response(status)
            for name, each in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, each)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def problem(status: int, code: str, **headers: str) -> Answer:
    body = json.dumps({"code": code, "detail": f"said {code}"}).encode()
    return status, "application/problem+json", headers, body


def ask(url: str, *images: Path, model: str | None = None, api_key: str | None = None) -> Document:
    with Remote(url, api_key) as remote:
        return remote.classify(images, model, level=0.95, top_k=5)


def test_more_images_than_the_service_takes_at_a_time_are_sent_in_turns(
    start_service: Any, kit: Any, tmp_path: Path
) -> None:
    """Whatever a service's limits are, all images are answered in order, and one over the limit fails alone."""
    images: list[Path] = [kit.image(i) for i in range(40)]
    (tmp_path / "large.png").write_bytes(kit.image(0).read_bytes() + bytes(9000))
    images.insert(7, tmp_path / "large.png")
    with start_service(tmp_path / "data", max_images=3, max_image_bytes=5000) as small:
        slots = ask(str(small.http.base_url), *images)["predictions"]
        expected = [small.classify(image.read_bytes()).json() for image in images]
    assert slots[7]["error"]["code"] == expected.pop(7)["code"] == "image_too_large"
    assert [*slots[:7], *slots[8:]] == [each["predictions"][0] for each in expected]


def replaced(monkeypatch: pytest.MonkeyPatch, most: int) -> list[tuple[int, dict[str, Any]]]:
    """Let a service that takes so many images at a time answer; how many it is sent, and with which parameters."""
    asked: list[tuple[int, dict[str, Any]]] = []

    def answer(_: Remote, files: list[bytes], query: dict[str, Any]) -> Document:
        asked.append((len(files), dict(query)))
        if len(files) > most:
            raise _TooMuchError("too much", {"error": {}})
        return {"model": {"name": "a", "version": "7"}, "predictions": [{}] * len(files)}

    monkeypatch.setattr(Remote, "_ask", answer)
    return asked


def test_a_limit_is_learnt_once(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that takes ten images at a time is not sent too many again and again."""
    asked = replaced(monkeypatch, 10)
    document = ask("http://127.0.0.1:9", *[kit.image(i) for i in range(70)])
    assert len(document["predictions"]) == 70
    sizes = [images for images, _ in asked]
    assert sizes[:2] == [32, 16]
    assert max(sizes[2:]) == 8


def test_one_version_answers_all(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is published between two requests of one call does not answer half of the images."""
    asked = replaced(monkeypatch, 32)
    ask("http://127.0.0.1:9", *[kit.image(i) for i in range(40)], model="a")
    assert [(query["model"], query.get("version")) for _, query in asked] == [("a", None), ("a", "7")]


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (problem(401, "key_missing"), ["401", "said key_missing", "LOOKALIKE_API_KEY"]),
        (problem(403, "insufficient_scope"), ["403", "said insufficient_scope", "LOOKALIKE_API_KEY"]),
        (problem(404, "model_not_found"), ["404", "said model_not_found"]),
        (problem(413, "body_too_large"), ["413", "said body_too_large"]),
        ((200, "text/html", {}, b"<p>hello"), ["check the address"]),
        ((200, "application/json", {}, b'{"model": {}, "predictions": []}'), ["check the address"]),
        ((200, "application/json", {}, b"[]"), ["check the address"]),
        ((404, "text/html", {}, b"<p>no"), ["404", "check the address"]),
        ((302, "text/html", {"Location": "http://127.0.0.1:9/"}, b""), ["302", "check the address"]),
    ],
)
def test_other_answers_are_said(kit: Any, answer: Answer, parts: list[str]) -> None:
    """A missing key, a page that is no service, a redirect: an error that says what to look at, and no more tries."""
    with scripted(lambda _: answer) as (url, seen):
        with pytest.raises(RemoteError) as refused:
            ask(url, kit.image(0))
        assert all(part in str(refused.value) for part in [url, *parts])
        assert len(seen) <= 2


@pytest.mark.parametrize("wrong", ["127.0.0.1:8000", "ftp://x", "http://", "http://a:b", "nonsense", ""])
def test_an_address_that_is_none_is_said(wrong: str) -> None:
    """What is no URL of a server is refused with one that is."""
    with pytest.raises(RemoteError, match="write a URL such as http://127"):
        Remote(wrong)


def test_a_busy_service_is_asked_again_but_not_for_ever(kit: Any) -> None:
    """A 503 or 429 is followed by another try after the time that it names; one that stays is said."""
    busy = [problem(503, "overloaded", **{"Retry-After": "0"}), problem(429, "rate", **{"Retry-After": "0"})]
    with scripted(lambda n: busy[n - 1] if n <= 2 else GOOD) as (url, seen):
        ask(url, kit.image(0))
        assert len(seen) == 3
    with scripted(lambda _: busy[0]) as (url, seen):
        with pytest.raises(RemoteError, match="503: said overloaded"):
            ask(url, kit.image(0))
        assert len(seen) == MOST_TRIES


def test_the_time_that_a_busy_service_names_is_kept(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told to come back in three seconds does; nonsense is a second, and nobody waits for hours."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    named = ["3", "86400", "Fri, 31 Dec 2027 23:59:59 GMT", "-1", ""]
    with scripted(lambda n: problem(503, "overloaded", **{"Retry-After": named[n - 1]}) if n < 6 else GOOD) as (url, _):
        ask(url, kit.image(0))
    assert pauses == [3, 30, 1, 1, 1]


def test_a_service_with_keys_is_asked_with_one(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """The right key gets the answer; one of another scope, a wrong one and none at all are said in their own words."""
    secrets = {}
    for scope in ("classify", "audit"):
        secrets[scope], key = new_key(scope, [scope])  # type: ignore[list-item]
        add_key(tmp_path / "keys.json", key)
    with start_service(tmp_path / "data", keys_file=tmp_path / "keys.json") as service:
        url = str(service.http.base_url)
        assert len(ask(url, kit.image(0), api_key=secrets["classify"])["predictions"]) == 1
        for key_sent, said in ((secrets["audit"], "403.*scope classify"), ("lk_x", "401.*unknown"), (None, "401.*key")):
            with pytest.raises(RemoteError, match=said):
                ask(url, kit.image(0), api_key=key_sent)


def test_the_key_is_sent_and_never_told(kit: Any) -> None:
    """The key goes along as a bearer token; one that can't be is not repeated in the message."""
    with scripted(lambda _: GOOD) as (url, seen):
        ask(url, kit.image(0), api_key="lk_secret\n")
        ask(url, kit.image(0))
    assert [each.get("Authorization") for each in seen] == ["Bearer lk_secret", None]
    for wrong in ("lk_s\u00e9cret", "lk_secret\r\nHost: x"):
        with pytest.raises(RemoteError) as refused:
            Remote("http://127.0.0.1:9", wrong)
        assert "cret" not in str(refused.value)


def test_a_key_in_the_environment_does_not_keep_a_server_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks and serves from one shell may have the clients' key set in it."""
    monkeypatch.setenv("LOOKALIKE_API_KEY", "lk_x")
    Settings.from_environment()


def test_a_service_on_this_machine_is_asked_without_a_proxy(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the environment names is for other machines."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted(lambda _: GOOD) as (url, _):
        ask(url, kit.image(0))
        ask(url.replace("127.0.0.1", "localhost"), kit.image(0))
    with pytest.raises(RemoteError, match="refused"):  # by the proxy
        ask("http://service.example", kit.image(0))
