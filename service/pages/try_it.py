"""The button that audits the example kit, which comes with the service: 600 images, 120 of them labelled wrongly."""

import io
import shutil
import zipfile
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from service.access.caller import UseCaller
from service.audits.steps.options import AuditOptions
from service.pages.static_files import EXAMPLE_KIT
from service.services import Services, UseServices

MODEL = "fashion-mnist"
"""What knows the kit's classes."""
_NAME = "Example: 600 pictures of clothes"

router = APIRouter(include_in_schema=False)


def can_be_tried(services: Services) -> bool:
    """Whether the model is served that the kit is for."""
    return MODEL in services.models.manifests()


@router.get("/try")
async def nothing_to_see() -> Response:
    """Lead who typed the address to the page that has the button."""
    return RedirectResponse("/", 303)


@router.post("/try")
async def try_it(services: UseServices, caller: UseCaller) -> Response:
    """Submit the kit as a person would, and go to its audit."""
    async with services.audits.receiving(caller.owner, 0) as folder:
        await run_in_threadpool(_pack, folder.path)
        state = await run_in_threadpool(
            services.audits.submit, folder, AuditOptions(model=MODEL), caller.owner, name=_NAME
        )
    return RedirectResponse(f"/audits/{state.id}", 303)


def _pack(folder: Path) -> None:
    shutil.copyfile(EXAMPLE_KIT / "labels.csv", folder / "labels.csv")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for image in sorted((EXAMPLE_KIT / "images").iterdir()):
            archive.write(image, image.name)
    (folder / "images.zip").write_bytes(packed.getvalue())
