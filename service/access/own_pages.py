"""Keys that a browser sends by itself: taken only from requests that this service's own pages make.

A browser adds a cookie to whatever request goes to its host, also to those that pages of others make. `SameSite=Strict`
keeps it from other sites, but to a browser another port of this host, or another host of this domain, is the same site.
So a request with the cookie must say that it comes from here: by `Sec-Fetch-Site` (W3C Fetch Metadata), or where a
browser does not send that, as over plain HTTP, by an `Origin` that is the host it was sent to. No page can set these.
It is the check of Go's `net/http.CrossOriginProtection`, but that a request which says neither is refused: programs
send their key in `Authorization`, which no browser adds by itself.
"""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.types import Scope

COOKIE = "lookalike_key"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


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
    return bool(origin) and urlsplit(origin.decode("latin-1")).netloc == host.decode("latin-1")


def is_foreign(scope: Scope) -> bool:
    """Whether a browser says that a page of another origin makes a request: also where nobody needs a key."""
    return any(name in {b"origin", b"sec-fetch-site"} for name, _ in scope["headers"]) and not is_from_own_page(scope)


def _header(scope: Scope, name: bytes) -> bytes:
    """A header as it was sent; more than one, or none, is none."""
    values: list[bytes] = [value for each, value in scope["headers"] if each == name]
    return values[0] if len(values) == 1 else b""
