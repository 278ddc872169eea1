"""The front page: start an audit, and see those that there are."""

from fastapi import APIRouter, Request, Response

from service.pages.rendering import page

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request) -> Response:
    """Where everybody comes in."""
    return page(request, "home.html")
