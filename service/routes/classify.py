"""Classify images."""

import asyncio
from functools import partial
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from models.answer import DEFAULT_LEVEL, DEFAULT_TOP_K, Prediction
from models.images import ImageError, decode_image
from models.preprocessing import InputSpec, to_input
from service.bodies import BodyError, BodyTooLargeError, read_body, read_form, uploads
from service.connection import while_connected
from service.inference.loaded_models import LoadedModel
from service.services import Services, UseServices

router = APIRouter(prefix="/v1", tags=["classify"])

_FORM_OVERHEAD = 1024
"""Bytes of multipart framing granted to each image."""


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
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": {"type": "string", "format": "binary"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["images"],
                        "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    }
                },
            },
        }
    },
)
async def classify(
    request: Request,
    services: UseServices,
    model: Annotated[str | None, Query(description="Name; default: the only classifier.")] = None,
    version: Annotated[str | None, Query(description="Default: the latest.")] = None,
    top_k: Annotated[int, Query(ge=1, description="How many classes `probabilities` lists.")] = DEFAULT_TOP_K,
    level: Annotated[
        float, Query(gt=0, le=1, description="Probability at which an answer counts as sure.")
    ] = DEFAULT_LEVEL,
) -> Response:
    """Classify one image (the body, `image/*`) or several (multipart, repeated field `images`).

    In a multipart request a bad image fails alone, in its own slot; as the whole body it is the request's error.
    """
    loaded = services.models.get(model, version)
    loaded.classifier.must_classify()
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        answer = await _classify_form(request, loaded, services, level=level, top_k=top_k)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        answer = await _classify_body(request, loaded, services, level=level, top_k=top_k)
    else:
        raise BodyError("send an image as the body (Content-Type: image/png, ...) or several as multipart/form-data")
    return Response(answer.model_dump_json(), media_type="application/json")


async def _classify_body(
    request: Request, loaded: LoadedModel, services: Services, *, level: float, top_k: int
) -> ClassifyAnswer:
    try:
        data = await read_body(request, services.settings.max_image_bytes)
    except BodyTooLargeError as error:
        raise ImageError("image_too_large", f"{error}; send a smaller file") from error
    with services.admission.of(1):
        work = _classify([data], loaded, services, alone=True, level=level, top_k=top_k)
        return await while_connected(request, work)


async def _classify_form(
    request: Request, loaded: LoadedModel, services: Services, *, level: float, top_k: int
) -> ClassifyAnswer:
    settings = services.settings
    limit = settings.max_images * (settings.max_image_bytes + _FORM_OVERHEAD)
    async with read_form(request, limit, max_files=settings.max_images) as form:
        files = uploads(form, "images")
        if not files:
            raise BodyError("the form has no file in a field `images`")
        with services.admission.of(len(files)):
            data = [await file.read() for file in files]
            work = _classify(data, loaded, services, alone=False, level=level, top_k=top_k)
            return await while_connected(request, work)


async def _classify(
    files: list[bytes], loaded: LoadedModel, services: Services, *, alone: bool, level: float, top_k: int
) -> ClassifyAnswer:
    """Decode, run, answer; a bad image gets its slot, or where it is ``alone`` raises its ``ImageError``."""
    decoding = (_decode(data, loaded, services) for data in files)
    images = await asyncio.gather(*decoding, return_exceptions=not alone)
    readable: list[NDArray[np.uint8]] = []
    slots: list[FailedImage | None] = []
    for image in images:
        if isinstance(image, ImageError):
            slots.append(FailedImage(error=Failure(code=image.code, detail=str(image))))
        elif isinstance(image, BaseException):
            raise image
        else:
            readable.append(image)
            slots.append(None)
    answered: list[Prediction] = []
    if readable:
        outputs = await loaded.batcher.infer(readable)
        logits, embeddings = (np.stack(part) for part in zip(*outputs, strict=True))
        answered = loaded.classifier.answer(logits, embeddings, level=level, top_k=top_k)
    following = iter(answered)
    manifest = loaded.classifier.manifest
    return ClassifyAnswer(
        model=ModelReference(name=manifest.name, version=manifest.version),
        predictions=[slot or next(following) for slot in slots],
        warnings=loaded.classifier.warnings,
    )


async def _decode(data: bytes, loaded: LoadedModel, services: Services) -> NDArray[np.uint8]:
    """Decode in another thread, whatever the file's size: a small one can hold a large image."""
    settings, spec = services.settings, loaded.classifier.manifest.input
    if len(data) > settings.max_image_bytes:
        raise ImageError("image_too_large", f"the file is larger than {settings.max_image_bytes:,} bytes")
    decode = partial(_to_input, data, spec, settings.max_image_pixels)
    return await asyncio.get_running_loop().run_in_executor(services.decoders, decode)


def _to_input(data: bytes, spec: InputSpec, max_pixels: int) -> NDArray[np.uint8]:
    return to_input(decode_image(data, max_pixels=max_pixels), spec)
