"""The front door, liveness and readiness."""

from fastapi import APIRouter
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


@router.get("/readyz")
async def readyz(services: UseServices) -> dict[str, object]:
    """Answer once the models are loaded, with their names and versions."""
    return {
        "status": "ready",
        "models": {
            name: [manifest.version for manifest in manifests]
            for name, manifests in services.models.manifests().items()
        },
    }
