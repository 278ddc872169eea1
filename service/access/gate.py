"""The gate before the application: who comes without the key that a path needs, or too often, gets no further."""

import math
import time
from typing import NamedTuple
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.binding import calls_this_machine
from service.access.caller import ANYBODY, Caller
from service.access.keyring import Keyring
from service.access.own_pages import is_foreign, is_from_own_page, key_in_cookie
from service.access.rates import Rates
from service.access.scopes import Need, needed
from service.access.wrong_keys import address
from service.errors import answer
from service.pages.error_page import wants_page
from service.routed_path import routed_path


class _Refusal(NamedTuple):
    """Why a request gets no further; as ``service.errors.answer`` takes it."""

    status: int
    code: str
    detail: str
    headers: dict[str, str]


_OTHER_ORIGIN = _Refusal(
    403,
    "other_origin",
    "a page of another origin sent this with your browser, and only this service's own pages may: do it there",
    {},
)
_OTHER_HOST = _Refusal(
    421,
    "other_host",
    "this service is for its own machine alone: call it localhost or 127.0.0.1; for other names set "
    "LOOKALIKE_KEYS_FILE, or LOOKALIKE_ALLOW_ANONYMOUS=true to let anybody in",
    {},
)


class Gate:
    """ASGI middleware: asks for keys by the bearer scheme (RFC 6750), and leaves the caller in the request's state.

    Keys or none, what a page of another origin makes a browser send changes nothing here.

    A browser keeps the key in a cookie (``service.pages.sign_in``); one without it that goes to a page is led to where
    it can sign in.

    Wrong keys are counted by address, and only they suffer for it: a key is too long to be guessed, so a right one is
    let in however many wrong ones came from the same address.
    """

    def __init__(
        self, app: ASGIApp, keyring: Keyring | None, rates: Rates | None, *, this_machine: bool = False
    ) -> None:
        """Without a keyring anybody may do anything; without rates as often as he likes.

        ``this_machine``: only who calls it by a name of loopback, which no page of another host can.
        """
        self._app, self._keyring, self._rates, self._this_machine = app, keyring, rates, this_machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "http":
            caller = self._admit(scope)
            if isinstance(caller, _Refusal):
                await _refuse(scope, caller)(scope, receive, send)
                return
            if caller is not None:
                scope.setdefault("state", {})["caller"] = caller
        elif scope["type"] == "websocket":  # there are none; should there be some, they need rules of their own
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> Caller | _Refusal | None:
        """Who sent a request; None: it matters to nobody."""
        if self._this_machine and not calls_this_machine(scope["headers"]):
            return _OTHER_HOST
        if is_foreign(scope):
            return _OTHER_ORIGIN
        need = needed(scope["method"], routed_path(scope))
        return None if need == "free" else self._known(need, scope)

    def _known(self, need: Need, scope: Scope) -> Caller | _Refusal:
        caller = ANYBODY if self._keyring is None else self._bearer(self._keyring, scope)
        if isinstance(caller, _Refusal):
            return caller
        if self._rates is not None:
            wait = self._rates.take(caller.key or address(scope), time.monotonic_ns())
            if wait:
                return _too_often("requests", math.ceil(wait / 1e9))
        if need not in caller.may:
            detail = f"this needs a key with the scope {need}, which {caller.key!r} has not"
            return _Refusal(403, "insufficient_scope", detail, _challenge("insufficient_scope", f'scope="{need}"'))
        return caller

    def _bearer(self, keyring: Keyring, scope: Scope) -> Caller | _Refusal:
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, secret = sent[0].partition(b" ") if len(sent) == 1 else (b"", b"", b"")
        kept = None if sent else key_in_cookie(scope)
        if kept is not None:
            if not is_from_own_page(scope):
                return _OTHER_ORIGIN
            secret = kept
        elif scheme.lower() != b"bearer":
            return _Refusal(401, "key_missing", "send a key, once: `Authorization: Bearer lk_...`", _challenge())
        caller = keyring.caller(secret.strip())
        if caller is not None:
            return caller
        wait = keyring.wrong_keys.wait(scope)
        if wait:
            return _too_often("wrong keys", wait)
        return _Refusal(401, "key_invalid", "the key is unknown, expired or revoked", _challenge("invalid_token"))


def _refuse(scope: Scope, refusal: _Refusal) -> ASGIApp:
    """The answer to who gets no further: a browser on its way to a page is led to where it can sign in."""
    if refusal.status != 401 or not wants_page(scope):
        return answer(scope, *refusal)
    query = scope["query_string"].decode("latin-1")
    wanted = quote(routed_path(scope)) + (f"?{query}" if query else "") if scope["method"] == "GET" else "/"
    return RedirectResponse(f"/sign-in?next={quote(wanted, safe='/')}", 303)


def _challenge(error: str | None = None, *more: str) -> dict[str, str]:
    parameters = ['realm="lookalike"', *([f'error="{error}"'] if error else []), *more]
    return {"WWW-Authenticate": f"Bearer {', '.join(parameters)}"}


def _too_often(what: str, seconds: int) -> _Refusal:
    return _Refusal(429, "rate", f"too many {what}; come back in {seconds} s", {"Retry-After": str(seconds)})
