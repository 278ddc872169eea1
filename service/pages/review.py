"""The pages on which people decide about suspicious labels: pair by pair in a grid, or one image after the other."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from service.access.caller import UseCaller
from service.audits.folder import AuditFolder
from service.audits.row_index import RowIndex
from service.audits.steps.plan import Plan
from service.pages.rendering import page
from service.routes.parameters import AuditId
from service.services import Services, UseServices

router = APIRouter(prefix="/audits/{audit_id}/review", include_in_schema=False)


@router.get("")
async def grid(request: Request, audit_id: AuditId, services: UseServices, caller: UseCaller) -> Response:
    """Many images of one directed pair at a time; where there are none to look at, one row after the other."""
    folder = await run_in_threadpool(services.audits.finished, audit_id)
    if not await run_in_threadpool(_shows_images, folder):
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/audits/{audit_id}/review/one{query}", status_code=303)
    return await _review(request, "grid.html", audit_id, services, caller.key)


@router.get("/one")
async def one(request: Request, audit_id: AuditId, services: UseServices, caller: UseCaller) -> Response:
    """One image after the other, with what speaks for and against its label."""
    return await _review(request, "one.html", audit_id, services, caller.key)


async def _review(request: Request, template: str, audit_id: str, services: Services, key: str | None) -> Response:
    folder = await run_in_threadpool(services.audits.finished, audit_id)
    plan = Plan.load(folder.path)
    about = {
        "audit": audit_id,
        "classes": plan.spelling,
        "named": key is not None,
        "pictured": await run_in_threadpool(_shows_images, folder),
    }
    return page(request, template, audit_id=audit_id, about=about, by_file=plan.basis == "columns")


def _shows_images(folder: AuditFolder) -> bool:
    return folder.images is not None and bool(RowIndex.of(folder).pictured.any())
