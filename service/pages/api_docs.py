"""The page that describes the interface and lets one try it: Swagger UI, from this service and from no other host."""

from fastapi import APIRouter, Request, Response

from service.pages.rendering import POLICY, page

router = APIRouter(include_in_schema=False)

_SWAGGER_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
    "img-src 'self' blob:", "img-src 'self' blob: data:"
)
"""Swagger UI sets styles and draws its icons in ways that the other pages do without; scripts are no exception."""


@router.get("/docs")
async def api_docs(request: Request) -> Response:
    """What programs are told by ``/openapi.json``."""
    return page(request, "api_docs.html", headers={"Content-Security-Policy": _SWAGGER_POLICY})
