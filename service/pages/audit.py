"""The page of one audit: its progress while it runs, then its report."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.audits.audits import AuditNotFinishedError
from service.pages.rendering import page
from service.pages.report import report_values
from service.routes.parameters import AuditId
from service.services import UseServices

router = APIRouter(prefix="/audits", include_in_schema=False)


@router.get("/{audit_id}")
async def audit(request: Request, audit_id: AuditId, services: UseServices) -> Response:
    """Show where an audit stands, or what came of it; answers outlive a second scoring that comes to nothing."""
    state = await run_in_threadpool(services.audits.state, audit_id)
    try:
        folder = await run_in_threadpool(services.audits.finished, audit_id)
    except AuditNotFinishedError:
        folder = None
    if folder is None or state.status in {"queued", "running"}:
        return page(request, "progress.html", audit=state, answered=folder is not None)
    values = await run_in_threadpool(report_values, folder)
    return page(request, "report.html", audit=state, **values)
