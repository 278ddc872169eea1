"""Pages from templates, under a policy that lets nothing run or load that is not this service's own file."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from service.pages.static_files import address
from service.routed_path import routed_path

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

ENVIRONMENT = Environment(
    loader=PackageLoader("service.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Templates in which whatever is filled in is text; ``static(name)`` is where a static file is found."""
ENVIRONMENT.globals["static"] = address


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] = {},
    **values: Any,
) -> HTMLResponse:
    """Render a template: with ``values``, ``path`` of the request, and ``caller``, who is None on pages for anybody."""
    caller = request.scope.get("state", {}).get("caller")
    html = ENVIRONMENT.get_template(template).render(path=routed_path(request.scope), caller=caller, **values)
    # What only a key shows must not come back from the browser's memory once the key is gone.
    stored = {"Cache-Control": "no-store"} if caller is not None and caller.key is not None else {}
    return HTMLResponse(html, status, _HEADERS | stored | dict(headers))
