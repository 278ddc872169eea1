r"""Which scope a request needs: one table of paths. What is not in it needs a key, whichever.

A rule by its start holds for every path that *starts* with the text, whatever follows: routing takes `/v1/audits` and
`/v1/audits\n` for the same, so where the text ends must not matter. What asks for less than the rule it is an
exception of names a whole path.
"""

from collections.abc import Iterable
from typing import Literal, get_args

Scope = Literal["classify", "audit", "admin"]
"""What a key is for; admin is for everything."""
Need = Literal["free", "key", "classify", "audit", "admin"]
"""What a request needs: nothing, any key, or a key with a scope."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

_WHOLE: dict[str, Need] = {
    "/": "key",
    "/healthz": "free",
    "/readyz": "free",
    "/sign-in": "free",
    "/sign-out": "free",
    "/v2/health/live": "free",
    "/v2/health/ready": "free",
    "/v2/repository/index": "classify",
}
_READING = frozenset({"GET", "HEAD"})
_STARTS: tuple[tuple[str, frozenset[str] | None, Need], ...] = (
    ("/v1/classify", None, "classify"),
    ("/v1/models", _READING, "classify"),
    ("/v1/models", None, "admin"),
    ("/v1/audits", None, "audit"),
    ("/v2/repository", None, "admin"),  # load and unload
    ("/v2", None, "classify"),
    ("/audits", None, "audit"),
    ("/classify", None, "classify"),
    ("/try", None, "audit"),
    ("/static", None, "free"),  # the same files for everybody
    ("/metrics", None, "admin"),  # also on loopback: behind a proxy on this machine everybody comes from there
    ("/docs", None, "key"),
    ("/openapi.json", None, "key"),
)
"""The first that fits counts. The methods are those it is about; None: all."""


def needed(method: str, path: str) -> Need:
    """What a request needs; the path is the one that routing goes by: decoded, without the application's mount."""
    return _listed(method, path) or "key"


def is_listed(method: str, path: str) -> bool:
    """Whether the table says anything about a path, so that no route is left to the rule for unknown ones."""
    return _listed(method, path) is not None


def granted(scopes: Iterable[Scope]) -> frozenset[Need]:
    """Everything that a key of these scopes gives."""
    held: set[Need] = set(scopes)
    return frozenset[Need](("key", *SCOPES) if "admin" in held else ("key", *held))


def _listed(method: str, path: str) -> Need | None:
    whole = _WHOLE.get(path)
    if whole is not None:
        return whole
    for start, methods, need in _STARTS:
        if path.startswith(start) and (methods is None or method in methods):
            return need
    return None
