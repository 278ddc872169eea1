"""Classify images."""

from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from models.answer import DEFAULT_LEVEL, DEFAULT_TOP_K, Prediction
from models.images import ImageError
from service.errors import problems
from service.http.bodies import BodyError, BodyTooLargeError, read_body, read_form, uploads
from service.http.connection import while_connected
from service.inference.classifier import Classifier
from service.inference.scorer import ScoredFiles
from service.long_answers import worded
from service.routes.direct_route import DirectRoute
from service.routes.examples import answers
from service.services import Services, UseServices

router = APIRouter(prefix="/v1", tags=["classify"], route_class=DirectRoute)

_FILE = {"type": "string", "format": "binary"}
_FORM_OVERHEAD = 1024
"""Bytes of multipart framing granted to each image."""


class ClassifyQuery(BaseModel):
    """What a caller can choose about an answer."""

    model_config = ConfigDict(frozen=True)

    model: str | None = Field(
        default=None, description="Name; default: the only classifier.", examples=["fashion-mnist"]
    )
    version: str | None = Field(default=None, description="Default: the latest.", examples=["1"])
    top_k: int = Field(default=DEFAULT_TOP_K, ge=1, description="How many classes `probabilities` lists.", examples=[3])
    level: float = Field(
        default=DEFAULT_LEVEL, gt=0, le=1, description="Probability at which an answer counts as sure.", examples=[0.9]
    )


class ModelReference(BaseModel):
    """The model that answered."""

    name: str
    version: str


class Failure(BaseModel):
    """Why an image has no prediction."""

    code: str
    detail: str


class FailedImage(BaseModel):
    """The slot of an image that can't be read."""

    error: Failure


class ClassifyAnswer(BaseModel):
    """A prediction for each image, in the order they were sent."""

    model: ModelReference
    predictions: list[Prediction | FailedImage]
    warnings: list[str] = Field(default=[], exclude_if=lambda warnings: not warnings)
    """Absent where there are none."""


@router.post(
    "/classify",
    response_model=ClassifyAnswer,
    responses=answers("classified") | problems(404, 413, 415, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": _FILE},
                "application/octet-stream": {"schema": _FILE},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["images"],
                        "properties": {"images": {"type": "array", "items": _FILE, "minItems": 1}},
                    }
                },
            },
        }
    },
)
async def classify(request: Request, services: UseServices, query: Annotated[ClassifyQuery, Query()]) -> Response:
    """Classify one image (the body, `image/*`) or several (multipart, repeated field `images`).

    In a multipart request a bad image fails alone, in its own slot; as the whole body it is the request's error.
    """
    loaded = services.models.get(query.model, query.version)
    classifier = loaded.classifier
    classifier.must_classify()
    await loaded.admission.knock()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if alone := kind.startswith("image/") or kind == "application/octet-stream":
        files = [await _image(request, services)]
    elif kind == "multipart/form-data":
        files = await _images(request, services)
    else:
        raise BodyError(
            "send an image as the body (Content-Type: image/png, ...) or several as multipart/form-data; "
            f"the Content-Type was {kind!r}"
        )
    with while_connected(request):
        scored = await services.scorer.score_files(loaded, files)
    if alone and scored.errors[0]:
        raise scored.errors[0]
    probabilities = len(scored.scores) * len(classifier.manifest.classes)
    predictions, body = await worded(probabilities, partial(_words, classifier, scored, query))
    loaded.metrics.predicted(predictions)
    return Response(body, media_type="application/json")


def _words(classifier: Classifier, scored: ScoredFiles, query: ClassifyQuery) -> tuple[list[Prediction], bytes]:
    """The predictions, and the body of the answer that has them."""
    predictions = classifier.answer(scored.scores, level=query.level, top_k=query.top_k)
    manifest, in_order = classifier.manifest, iter(predictions)
    answer: dict[str, Any] = {
        "model": {"name": manifest.name, "version": manifest.version},
        "predictions": [next(in_order) if error is None else _slot(error) for error in scored.errors],
    }
    if classifier.warnings:
        answer["warnings"] = classifier.warnings
    return predictions, orjson.dumps(answer)


async def _image(request: Request, services: Services) -> bytes:
    try:
        return await read_body(request, services.settings.max_image_bytes)
    except BodyTooLargeError as error:
        raise ImageError("image_too_large", f"{error}; send a smaller file") from error


async def _images(request: Request, services: Services) -> list[bytes]:
    settings = services.settings
    limit = settings.max_images * (settings.max_image_bytes + _FORM_OVERHEAD)
    async with read_form(request, limit, max_files=settings.max_images) as form:
        files = uploads(form, "images")
        if not files:
            raise BodyError("the form has no file in a field `images`")
        return [await file.read() for file in files]


def _slot(error: ImageError) -> dict[str, dict[str, str]]:
    return {"error": {"code": error.code, "detail": str(error)}}
