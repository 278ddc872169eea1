"""The model repository from outside: what is in it, what of it is served (Triton's extension ``model_repository``)."""

from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from models.repository import ModelError, ModelNotFoundError
from service.http.bodies import BodyError
from service.oip.errors import RESPONSES
from service.oip.framing import receive
from service.oip.messages import IndexRequest, LoadRequest, ModelIndex, UnloadRequest, inlined
from service.routes.direct_route import DirectRoute
from service.services import UseServices

router = APIRouter(prefix="/v2/repository", tags=["inference protocol"], responses=RESPONSES, route_class=DirectRoute)

_MAX_BYTES = 65_536


def _body(message: type[IndexRequest | LoadRequest | UnloadRequest]) -> dict[str, Any]:
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": inlined(message)}}}}


@router.post("/index", response_model=list[ModelIndex], openapi_extra=_body(IndexRequest))
async def index(request: Request, services: UseServices) -> Response:
    """List the versions in the repository, also those that are not served."""
    asked, _ = await receive(request, IndexRequest, _MAX_BYTES)
    states = await run_in_threadpool(services.models.states)
    listed = [state for state in states if state.state == "READY" or not asked.ready]
    return Response(orjson.dumps(listed), media_type="application/json")


@router.post("/models/{name}/load", response_class=Response, openapi_extra=_body(LoadRequest))
async def load(request: Request, services: UseServices, name: str) -> Response:
    """Serve a model with the versions that it has now."""
    asked, _ = await receive(request, LoadRequest, _MAX_BYTES)
    if asked.parameters:
        raise BodyError("parameters: a model is loaded as it was published; there are none to choose")
    try:
        await run_in_threadpool(services.models.load, name)
    except ModelNotFoundError:
        raise
    except ModelError as error:
        raise BodyError(f"{name} is not served: {error}") from error
    return Response()


@router.post("/models/{name}/unload", response_class=Response, openapi_extra=_body(UnloadRequest))
async def unload(request: Request, services: UseServices, name: str) -> Response:
    """Stop serving a model, all its versions, until it is loaded again or the server starts again."""
    await receive(request, UnloadRequest, _MAX_BYTES)
    await run_in_threadpool(services.models.unload, name)
    return Response()
