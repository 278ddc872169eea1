"""Errors for people: a page instead of a problem document, where a browser goes to a page."""

from http import HTTPStatus

from fastapi import Request, Response
from starlette.types import Scope

from service.pages.rendering import page
from service.routed_path import routed_path

_FOR_PROGRAMS = ("/v1", "/v2", "/static")


def wants_page(scope: Scope) -> bool:
    """Whether a request is that of a browser on its way to a page, and not that of a program."""
    if routed_path(scope).startswith(_FOR_PROGRAMS):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def error_page(
    scope: Scope, status: int, detail: str, request_id: str | None, headers: dict[str, str] | None
) -> Response:
    """Say what went wrong, and where to go from here."""
    title = HTTPStatus(status).phrase
    values = {"title": title, "number": status, "detail": detail, "request_id": request_id}
    return page(Request(scope), "error.html", status=status, headers=headers or {}, **values)
