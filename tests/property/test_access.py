"""However a path is written, no request reaches a route without the scope that the route needs."""

import asyncio
import string
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import HTTPException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette._utils import get_route_path

from service.access.key_file import add_key
from service.access.keyring import Keyring
from service.access.keys import new_key
from service.access.scopes import SCOPES
from service.app import create_app
from service.routed_path import routed_path
from service.services import _services
from service.settings import Settings
from service.telemetry.traffic import Traffic

NEEDS = {
    "service.oip.infer": {"classify", "admin"},
    "service.oip.metadata": {"classify", "admin"},
    "service.oip.metadata.server_live": {"", *SCOPES},
    "service.oip.metadata.server_ready": {"", *SCOPES},
    "service.oip.repository": {"admin"},
    "service.oip.repository.index": {"classify", "admin"},
    "service.pages.audit": {"audit", "admin"},
    "service.pages.classify": {"classify", "admin"},
    "service.pages.api_docs": set(SCOPES),
    "service.pages.home": set(SCOPES),
    "service.pages.review": {"audit", "admin"},
    "service.pages.sign_in": {"", *SCOPES},
    "service.pages.static_files": {"", *SCOPES},
    "service.pages.try_it": {"audit", "admin"},
    "service.routes.previews": {"audit", "admin"},
    "service.routes.audits": {"audit", "admin"},
    "service.routes.classify": {"classify", "admin"},
    "service.routes.health": {"", *SCOPES},
    "service.routes.metrics": {"admin"},
    "service.routes.models": {"classify", "admin"},
    "service.routes.reviews": {"audit", "admin"},
    "fastapi.applications": set(SCOPES),
}
"""Which keys may reach the routes of a module, or one of them; "": also none. A new module says here whose it is."""


def needs(endpoint: Any) -> set[str]:
    return NEEDS.get(f"{endpoint.__module__}.{endpoint.__name__}") or NEEDS[endpoint.__module__]


def reached() -> None:
    """Say so instead of handing out services."""
    raise HTTPException(418)


class Nothing:
    """Services for routes that take them by themselves."""

    def __getattr__(self, name: str) -> None:
        reached()


class Application:
    """The real application with keys, and nothing behind its routes."""

    def __init__(self, folder: Path) -> None:
        page = (b"sec-fetch-site", b"same-origin")
        self.headers: dict[str, list[tuple[bytes, bytes]]] = {"": [page]}
        for scope in SCOPES:
            secret, key = new_key(scope, [scope])
            add_key(folder / "keys.json", key)
            self.headers[scope] = [(b"authorization", f"Bearer {secret}".encode()), page]
        running: Any = SimpleNamespace(
            settings=Settings(),
            keyring=Keyring(folder / "keys.json"),
            traffic=Traffic(),
            models=SimpleNamespace(manifests=dict),
        )
        self.app = create_app(running)
        self.app.dependency_overrides[_services] = reached
        self.routes = [(method, path) for path, methods in self.app.state.methods.items() for method in methods] + [
            ("GET", "/openapi.json"),
        ]

    def goes_too_far(self, method: str, path: str, mount: str = "") -> list[str]:
        """Which keys reach a route that they are not for; a path is decoded as by a server."""
        far = []
        for key in self.headers:
            status, endpoint = self.ask(method, unquote(path), key, mount)
            assert status != 500
            if endpoint is not None and key not in needs(endpoint):
                far.append(f"{method} {path!r} below {mount!r} reached {endpoint} with {key or 'no key'}")
        return far

    def ask(self, method: str, path: str, key: str, mount: str) -> tuple[int, Any]:
        """The status, and the endpoint that was reached; None: none was."""
        sent: list[Any] = []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": mount + path, "root_path": mount, "query_string": b"", "headers": self.headers[key],
            "client": ("192.0.2.1", 1), "server": ("x", 80), "state": {"services": Nothing()},
        }  # fmt: skip

        coming = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            return coming.pop() if coming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        with suppress(Exception):
            asyncio.run(self.app(scope, receive, send))
        status = next((message["status"] for message in sent if "status" in message), 500)
        if status in {200, 303, 307, 418} and "endpoint" in scope:
            return status, scope["endpoint"]
        return status, None


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    return Application(tmp_path_factory.mktemp("access"))


EXAMPLES = {
    "{audit_id}": "0" * 16,
    "{row}": "0",
    "{name}": "tokens.css",
    "{version}": "1",
    "{edition}": "e",
}
ODD = [
    "/",
    "//",
    ".",
    "..",
    "/../",
    "%2f",
    "%252f",
    "%0a",
    "%0d",
    "%00",
    "%",
    "\\",
    ";",
    "?",
    "#",
    "%20",
    "%c3%a9",
    "A",
]
PIECES = ["v1", "v2", "audits", "classify", "models", "healthz", "readyz", "docs", "repository", "health", "metrics"]


@st.composite
def near(draw: st.DrawFn, path: str) -> str:
    """A path near a route's: parameters filled, some pieces put in, left out, or written otherwise."""
    for parameter in EXAMPLES:
        path = path.replace(parameter, draw(st.sampled_from(["0" * 16, "0", "x", *PIECES, *ODD])), 1)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(path)))
        cut = draw(st.integers(0, 2))
        path = path[:at] + draw(st.sampled_from([*ODD, *PIECES, *string.ascii_lowercase, ""])) + path[at + cut :]
    if draw(st.booleans()):
        path += draw(st.sampled_from(ODD))
    return path


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_path_leads_past_the_gate(application: Application, data: st.DataObject) -> None:
    """With each key, or none, a request for a path near a route's ends before every route that is not the key's."""
    method, route = data.draw(st.sampled_from(application.routes))
    method = data.draw(st.sampled_from([method, method, "GET", "HEAD", "OPTIONS", "POST", "get", "PATCH", "X"]))
    mount = data.draw(st.sampled_from(["", "", "/api", "/v1", "/healthz"]))
    assert application.goes_too_far(method, data.draw(near(route)), mount) == []


def test_nothing_before_or_behind_a_path_leads_past_the_gate(application: Application) -> None:
    """Each route with each odd piece before or behind it: routing takes a line's end at the end for nothing."""
    far = []
    for method, route in application.routes:
        for odd in ODD:
            far += application.goes_too_far(method, route + odd) + application.goes_too_far(method, odd + route)
    assert far == []


def test_every_route_is_reached_by_the_keys_it_is_for(application: Application) -> None:
    """As it is documented each route is open to exactly the keys that it is for."""
    for method, path in application.routes:
        plain = path
        for parameter, value in EXAMPLES.items():
            plain = plain.replace(parameter, value)
        found = {key: application.ask(method, plain, key, "")[1] for key in application.headers}
        (endpoint,) = {endpoint for endpoint in found.values() if endpoint is not None}
        assert {key for key, endpoint in found.items() if endpoint is not None} == needs(endpoint), path


@given(
    mount=st.sampled_from(["", "/", "/api", "/api/", "/v1", "api"]),
    path=st.text(alphabet="/apiv1\n.", max_size=12),
)
def test_the_gate_goes_by_the_path_that_routing_goes_by(mount: str, path: str) -> None:
    """The gate looks at the very text that routes are matched against."""
    for whole in (path, mount + path):
        scope = {"path": whole, "root_path": mount}
        assert routed_path(scope) == get_route_path(scope)
