"""The page on which an image is classified."""

from fastapi import APIRouter, Request, Response

from service.pages.rendering import page

router = APIRouter(include_in_schema=False)


@router.get("/classify")
async def classify(request: Request) -> Response:
    """Where one drops an image to see what the model makes of it."""
    return page(request, "classify.html")
