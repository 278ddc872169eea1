"""The models being served, as their manifests."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from models.manifest import Manifest
from service.errors import problems
from service.services import UseServices

router = APIRouter(prefix="/v1/models", tags=["models"])


class ModelVersions(BaseModel):
    """A model and its versions, oldest first."""

    name: str
    versions: list[Manifest]


class ModelList(BaseModel):
    """All models."""

    models: list[ModelVersions]


@router.get("")
async def list_models(services: UseServices) -> ModelList:
    """Manifests of all models."""
    return ModelList(
        models=[ModelVersions(name=name, versions=manifests) for name, manifests in services.models.manifests().items()]
    )


@router.get("/{name}", responses=problems(404))
async def get_model(name: Annotated[str, Path(examples=["fashion-mnist"])], services: UseServices) -> ModelVersions:
    """Manifests of one model's versions."""
    services.models.get(name)
    return ModelVersions(name=name, versions=services.models.manifests()[name])
