"""Liveness and readiness."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from service.jobs.runner import WorkerState
from service.routes.examples import answers
from service.services import UseServices

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process runs."""

    status: Literal["alive"]


class Readiness(BaseModel):
    """Whether the service takes requests, and for which models."""

    status: Literal["ready", "draining"]
    device: str
    """What the models run on: ``cpu`` or ``cuda``."""
    models: dict[str, list[str]]
    """The versions of each model, oldest first."""
    audit_worker: WorkerState
    """``idle``: not needed yet. ``failing``: it can't be started or ends by itself, the log says why; audits wait."""


@router.get("/healthz", responses=answers("alive"))
async def healthz() -> Alive:
    """Answer as long as the process runs."""
    return Alive(status="alive")


@router.get(
    "/readyz",
    responses=answers("ready")
    | {503: {"model": Readiness, "description": "The server was told to stop and takes its last requests."}},
)
async def readyz(services: UseServices, response: Response) -> Readiness:
    """Answer once the models are loaded, with their names and versions, until the server is told to stop."""
    draining = services.draining.is_set()
    if draining:
        response.status_code = 503
    versions = {
        name: [manifest.version for manifest in manifests] for name, manifests in services.models.manifests().items()
    }
    return Readiness(
        status="draining" if draining else "ready",
        device=services.models.device,
        models=versions,
        audit_worker=services.audits.worker,
    )
