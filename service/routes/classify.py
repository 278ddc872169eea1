"""Classify images."""

import asyncio
from functools import partial
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import BaseModel

from models.answer import DEFAULT_LEVEL, DEFAULT_TOP_K, Prediction
from models.images import ImageError, decode_image
from models.preprocessing import InputSpec, to_input
from service.bodies import BodyError, BodyTooLargeError, read_body, read_form, uploads
from service.loaded_models import LoadedModel
from service.services import Services, UseServices

router = APIRouter(prefix="/v1", tags=["classify"])

_INLINE_BYTES = 2048
"""A file this small decodes faster than it is handed to another thread and back."""
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
    model: Annotated[str | None, Query(description="Name; default: the only model there is.")] = None,
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
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        files = await _files(request, services)
        images = await asyncio.gather(*(_decode(file, loaded, services) for file in files), return_exceptions=True)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        images = [await _decode(await _one(request, services), loaded, services)]
    else:
        raise BodyError("send an image as the body (Content-Type: image/png, ...) or several as multipart/form-data")
    answer = await _answer(list(images), loaded, level=level, top_k=top_k)
    return Response(answer.model_dump_json(), media_type="application/json")


async def _one(request: Request, services: Services) -> bytes:
    try:
        return await read_body(request, services.settings.max_image_bytes)
    except BodyTooLargeError as error:
        raise ImageError("image_too_large", f"{error}; send a smaller file") from error


async def _files(request: Request, services: Services) -> list[bytes]:
    settings = services.settings
    limit = settings.max_images * (settings.max_image_bytes + _FORM_OVERHEAD)
    async with read_form(request, limit, max_files=settings.max_images) as form:
        files = uploads(form, "images")
        if not files:
            raise BodyError("the form has no file in a field `images`")
        return [await file.read() for file in files]


async def _decode(data: bytes, loaded: LoadedModel, services: Services) -> NDArray[np.uint8]:
    settings, spec = services.settings, loaded.classifier.manifest.input
    if len(data) > settings.max_image_bytes:
        raise ImageError("image_too_large", f"the file is larger than {settings.max_image_bytes:,} bytes")
    decode = partial(_to_input, data, spec, settings.max_image_pixels)
    if len(data) <= _INLINE_BYTES:
        return decode()
    return await asyncio.get_running_loop().run_in_executor(services.decoders, decode)


def _to_input(data: bytes, spec: InputSpec, max_pixels: int) -> NDArray[np.uint8]:
    return to_input(decode_image(data, max_pixels=max_pixels), spec)


async def _answer(
    images: list[NDArray[np.uint8] | BaseException], loaded: LoadedModel, *, level: float, top_k: int
) -> ClassifyAnswer:
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
    )
