"""The page on which an image is classified."""

from fastapi import APIRouter, Request, Response

from models.answer import DEFAULT_LEVEL
from service.pages.rendering import page
from service.pages.static_files import EXAMPLE_IMAGES
from service.pages.try_it import MODEL
from service.services import UseServices

router = APIRouter(include_in_schema=False)


@router.get("/classify")
async def classify(request: Request, services: UseServices) -> Response:
    """Where one drops an image to see what the model makes of it."""
    manifests = {name: versions[-1] for name, versions in services.models.manifests().items()}
    models = [name for name, manifest in manifests.items() if not manifest.is_encoder]
    examples = EXAMPLE_IMAGES if MODEL in models else ()
    return page(request, "classify.html", models=models, examples=examples, example_model=MODEL, level=DEFAULT_LEVEL)
