"""What the server is, whether it is well, and what its models take and give."""

from importlib.metadata import version as installed

from fastapi import APIRouter

from service.inference.batcher import ClosedError
from service.oip import signature
from service.oip.errors import RESPONSES
from service.oip.messages import ModelMetadata, ModelReady, ServerLive, ServerMetadata, ServerReady
from service.services import Services, UseServices

router = APIRouter(prefix="/v2", tags=["inference protocol"], responses=RESPONSES)

EXTENSIONS = ["binary_tensor_data", "classification", "model_repository"]
PLATFORM = "onnx_onnxv1"
"""The specification's word for a model on ONNX Runtime."""


@router.get("")
@router.get("/")
async def server_metadata() -> ServerMetadata:
    """Name, version and extensions."""
    return ServerMetadata(name="lookalike", version=installed("lookalike"), extensions=EXTENSIONS)


@router.get("/health/live")
async def server_live() -> ServerLive:
    """Answer as long as the process runs."""
    return ServerLive(live=True)


@router.get("/health/ready")
async def server_ready(services: UseServices) -> ServerReady:
    """Answer 200 once the models are loaded, until the server is told to stop."""
    if services.draining.is_set():
        raise ClosedError("the service is stopping; ask another one")
    return ServerReady(ready=True)


@router.get("/models/{name}")
async def model_metadata(services: UseServices, name: str) -> ModelMetadata:
    """Inputs and outputs of the latest version of a model."""
    return _metadata(services, name, None)


@router.get("/models/{name}/versions/{version}")
async def version_metadata(services: UseServices, name: str, version: str) -> ModelMetadata:
    """Inputs and outputs of one version of a model."""
    return _metadata(services, name, version)


@router.get("/models/{name}/ready")
async def model_ready(services: UseServices, name: str) -> ModelReady:
    """Answer 200 if some version of a model is served."""
    services.models.get(name)
    return ModelReady(name=name, ready=True)


@router.get("/models/{name}/versions/{version}/ready")
async def version_ready(services: UseServices, name: str, version: str) -> ModelReady:
    """Answer 200 if one version of a model is served."""
    services.models.get(name, version)
    return ModelReady(name=name, ready=True)


def _metadata(services: Services, name: str, version: str | None) -> ModelMetadata:
    manifest = services.models.get(name, version).classifier.manifest
    return ModelMetadata(
        name=name,
        versions=[each.version for each in services.models.manifests()[name]],
        platform=PLATFORM,
        inputs=signature.inputs(manifest),
        outputs=signature.outputs(manifest),
    )
