"""The front door, liveness and readiness."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from service.services import UseServices

router = APIRouter(tags=["health"])


@router.get("/", response_class=RedirectResponse, status_code=307)
async def front_door() -> str:
    """Lead a browser to the page that describes the interface."""
    return "/docs"


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer as long as the process runs."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "The server was told to stop and takes its last requests."}})
async def readyz(services: UseServices, response: Response) -> dict[str, object]:
    """Answer once the models are loaded, with their names and versions, until the server is told to stop."""
    draining = services.draining.is_set()
    if draining:
        response.status_code = 503
    return {
        "status": "draining" if draining else "ready",
        "device": services.models.device,
        "models": {
            name: [manifest.version for manifest in manifests]
            for name, manifests in services.models.manifests().items()
        },
    }
