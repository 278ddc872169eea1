"""What a browser says of the page that made a request: only this service's own pages may change anything.

Any page can have a browser send requests to a service that its user reaches, also to one on his own machine that asks
for no keys. What counts is `Sec-Fetch-Site` (W3C Fetch Metadata), or where a browser does not send that, as over plain
HTTP, an `Origin` that is the host it was sent to. No page can set these. It is the check of Go's
`net/http.CrossOriginProtection`: programs send neither, and are let through.

A key that the browser keeps in a cookie is held to more. `SameSite=Strict` keeps it from other sites, but to a browser
another port of this host, or another host of this domain, is the same site. So with the cookie a request that says
neither is refused, too: programs send their key in `Authorization`, which no browser adds by itself.
"""

from http.cookies import CookieError, SimpleCookie

from starlette.types import Scope

COOKIE = "lookalike_key"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_SAID_BY_BROWSERS = frozenset({b"origin", b"sec-fetch-site"})


def key_in_cookie(scope: Scope) -> bytes | None:
    """The key that a browser keeps for its user."""
    try:
        found = SimpleCookie(_header(scope, b"cookie").decode("latin-1")).get(COOKIE)
    except CookieError:  # of another service on this host, perhaps
        return None
    return found.value.encode("latin-1") if found is not None else None


def is_from_own_page(scope: Scope) -> bool:
    """Whether a browser's request was made by a page of this service, or, where it only reads, by the person."""
    site = _header(scope, b"sec-fetch-site")
    if scope["method"] in _READING:
        # What is read across origins the browser keeps from the page that asked, but not that it could be read.
        return site in {b"", b"same-origin", b"none"} or _header(scope, b"sec-fetch-mode") == b"navigate"
    if site:
        return site == b"same-origin"
    origin, host = _header(scope, b"origin"), _header(scope, b"host")
    return bool(host) and origin in {b"http://" + host, b"https://" + host}


def is_foreign(scope: Scope) -> bool:
    """Whether a browser says that a page of another origin made a request that changes something."""
    if scope["method"] in _READING:
        return False
    for name, _ in scope["headers"]:
        if name in _SAID_BY_BROWSERS:
            return _header(scope, b"sec-fetch-site") != b"none" and not is_from_own_page(scope)
    return False


def _header(scope: Scope, name: bytes) -> bytes:
    """A header as it was sent; more than one, or none, is none."""
    values: list[bytes] = [value for each, value in scope["headers"] if each == name]
    return values[0] if len(values) == 1 else b""
