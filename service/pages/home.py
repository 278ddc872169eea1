"""The front page: start an audit, and see those that there are."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from labels.images.opening import ARCHIVE_ENDINGS
from labels.label_file import READERS
from labels.preview import PARTS, PREVIEWED
from service.access.caller import UseCaller
from service.mounted_images import mounted_names
from service.pages.rendering import page
from service.pages.try_it import can_be_tried
from service.routes.previews import MOST_BYTES
from service.services import Services, UseServices

_SHOWN = 12
"""Newest audits that the page shows, until older ones are asked for."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request, services: UseServices, caller: UseCaller) -> Response:
    """Where everybody comes in; who may not audit is told so."""
    if "audit" not in caller.may:
        return page(request, "home.html", may_audit=False)
    values = await run_in_threadpool(_values, services)
    return page(request, "home.html", may_audit=True, **values)


def _values(services: Services) -> dict[str, Any]:
    models = [
        {"name": name, "classes": manifests[-1].classes, "encoder": manifests[-1].is_encoder}
        for name, manifests in services.models.manifests().items()
    ]
    setup = {
        "models": models,
        "labels": {"endings": tuple(READERS), "previewed": PREVIEWED, "parts": PARTS, "most": MOST_BYTES},
        "images": {"endings": ARCHIVE_ENDINGS},
        "most": services.settings.max_upload_bytes,
        "shown": _SHOWN,
    }
    return {
        "setup": setup,
        "newest": services.audits.newest(_SHOWN).model_dump(mode="json"),
        "datasets": mounted_names(services.settings.datasets_dir),
        "can_be_tried": can_be_tried(services),
    }
