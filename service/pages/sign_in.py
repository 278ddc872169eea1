"""Signing in: the browser keeps the key in a cookie that no script can read."""

import re
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from service.access.own_pages import COOKIE
from service.http.bodies import read_body
from service.pages.rendering import page
from service.services import UseServices

router = APIRouter(include_in_schema=False)

_MOST_BYTES = 4096
_SECONDS = 30 * 24 * 3600
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lookalike", error="invalid_token"'}
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""An address on this host: browsers take a second slash or a backslash for the start of another, and skip line ends."""

Next = Annotated[str, Query(alias="next")]


@router.get("/sign-in")
async def sign_in(request: Request, services: UseServices, target: Next = "/") -> Response:
    """Ask for a key, where keys are asked for."""
    if services.keyring is None:
        return RedirectResponse("/", 303)
    return page(request, "sign_in.html", next=_local(target), wrong="")


@router.post("/sign-in")
async def signed_in(request: Request, services: UseServices) -> Response:
    """Keep a key that is in force, and go on to where the person wanted to."""
    fields = parse_qs((await read_body(request, _MOST_BYTES)).decode("latin-1"))
    key, target = fields.get("key", [""])[0].strip(), _local(fields.get("next", ["/"])[0])
    if services.keyring is None:
        return RedirectResponse("/", 303)
    if services.keyring.caller(key.encode()) is None:
        wait = services.keyring.wrong_keys.wait(request.scope)
        if wait:
            wrong = f"Too many wrong keys came from your network. Wait {wait} s, then try again."
            return page(
                request, "sign_in.html", status=429, headers={"Retry-After": str(wait)}, next=target, wrong=wrong
            )
        wrong = "This key is unknown, expired or revoked. Check that you copied all of it, or ask for a new one."
        return page(request, "sign_in.html", status=401, headers=_CHALLENGE, next=target, wrong=wrong)
    answer = RedirectResponse(target, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, key, max_age=_SECONDS, secure=secure, httponly=True, samesite="strict")
    return answer


@router.post("/sign-out")
async def sign_out() -> Response:
    """Forget the key."""
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _local(target: str) -> str:
    return target if _LOCAL.fullmatch(target) else "/"
