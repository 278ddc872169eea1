"""Inference: the tensors of a request to the tensors of its answer."""

from functools import partial
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from numpy.typing import NDArray

from models.images import ImageError
from models.scores import Scores
from service.http.connection import while_connected
from service.inference.classifier import Classifier
from service.inference.loaded_models import LoadedModel
from service.inference.scorer import Scorer
from service.long_answers import worded
from service.oip.errors import RESPONSES
from service.oip.framing import JSON_LENGTH, receive, response
from service.oip.inputs import read_images
from service.oip.messages import InferRequest, InferResponse, inlined
from service.oip.outputs import Wanted, wanted_outputs, write_outputs
from service.routes.direct_route import DirectRoute
from service.services import Services, UseServices

router = APIRouter(prefix="/v2/models/{name}", tags=["inference protocol"], route_class=DirectRoute)

_JSON_LENGTH = {"description": "Bytes of JSON at the start of the body; tensors follow.", "schema": {"type": "integer"}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_EXAMPLE = {
    "inputs": [
        {
            "name": "image",
            "datatype": "BYTES",
            "shape": [1],
            "data": [  # a grey pixel as PNG
                "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="
            ],
        }
    ],
    "outputs": [{"name": "embedding"}],
}
_DOCUMENTED: dict[str, Any] = {
    "response_model": InferResponse,
    "responses": RESPONSES
    | {200: {"headers": {JSON_LENGTH: _JSON_LENGTH}, "content": {"application/octet-stream": _BINARY}}},
    "openapi_extra": {
        "parameters": [{"name": JSON_LENGTH, "in": "header", "required": False, **_JSON_LENGTH}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": inlined(InferRequest), "example": _EXAMPLE},
                "application/octet-stream": _BINARY,
            },
        },
    },
}


@router.post("/infer", **_DOCUMENTED)
async def infer(request: Request, services: UseServices, name: str) -> Response:
    """Run images through the latest version of a model."""
    return await _infer(request, services, services.models.get(name))


@router.post("/versions/{version}/infer", **_DOCUMENTED)
async def infer_by_version(request: Request, services: UseServices, name: str, version: str) -> Response:
    """Run images through one version of a model."""
    return await _infer(request, services, services.models.get(name, version))


async def _infer(request: Request, services: Services, loaded: LoadedModel) -> Response:
    settings, classifier = services.settings, loaded.classifier
    manifest = classifier.manifest
    await loaded.admission.knock()
    asked, binary = await receive(request, InferRequest, settings.max_infer_bytes)
    wanted = wanted_outputs(asked, manifest)
    images = read_images(asked.inputs, binary, manifest.input, most=settings.max_images)
    with while_connected(request):
        scores = await _score(services.scorer, loaded, images)
    probabilities = len(scores) * len(manifest.classes)
    return await worded(probabilities, partial(_words, classifier, scores, wanted, asked.id))


def _words(classifier: Classifier, scores: Scores, wanted: list[Wanted], request_id: str | None) -> Response:
    manifest = classifier.manifest
    outputs, behind = write_outputs(wanted, scores, manifest.classes)
    message: dict[str, Any] = {"model_name": manifest.name, "model_version": manifest.version}
    if request_id is not None:
        message["id"] = request_id
    if classifier.warnings:
        message["parameters"] = {"warning": "; ".join(classifier.warnings)}
    return response(message | {"outputs": outputs}, behind)


async def _score(scorer: Scorer, loaded: LoadedModel, images: NDArray[np.uint8] | list[bytes]) -> Scores:
    if not isinstance(images, list):
        return await scorer.score_images(loaded, images)
    scored = await scorer.score_files(loaded, images)
    for index, error in enumerate(scored.errors):
        if error is not None:  # the protocol has no place for an image that fails alone
            raise ImageError(error.code, f"image: element {index}: {error}") from error
    return scored.scores
