"""What the application says of its interface beyond what the routes say themselves."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from service.access.scopes import needed
from service.errors import Problem, problems
from service.oip.errors import speaks_oip
from service.routes.examples import EXAMPLES
from service.services import Services

_SUPPOSED = "HTTPValidationError"
"""FastAPI supposes that whatever has a parameter may find it wrong, and then answers in this form of its own."""


def describe(app: FastAPI, services: Services) -> None:
    """Complete the OpenAPI document: examples, what only this service knows, and what FastAPI supposes wrongly."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain(), services)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign] # as FastAPI's documentation does it


def _complete(document: dict[str, Any], services: Services) -> None:
    schemas, paths = document["components"]["schemas"], document["paths"]
    schemas["Problem"] = Problem.model_json_schema()
    for path, method, operation in _operations(paths):
        if _SUPPOSED in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
        if not speaks_oip(path):  # the protocol describes its errors in one
            for status, described in problems(*_refusals(method, path, operation, services)).items():
                operation["responses"].setdefault(str(status), described)
        for parameter in operation.get("parameters", ()):
            _drop_null(parameter["schema"])
        for content in _contents(operation):
            if isinstance(content.get("example"), str):
                content["example"] = EXAMPLES[content["example"]]
    for supposed in (_SUPPOSED, "ValidationError"):
        schemas.pop(supposed, None)
    form = paths["/v1/classify"]["post"]["requestBody"]["content"]["multipart/form-data"]
    form["schema"]["properties"]["images"]["maxItems"] = services.settings.max_images
    models = [
        {"name": name, "versions": [manifest.model_dump(mode="json") for manifest in manifests]}
        for name, manifests in services.models.manifests().items()
    ]
    _answer(paths["/v1/models"])["example"] = {"models": models}
    if models:  # all may have been unloaded
        _answer(paths["/v1/models/{name}"])["example"] = models[0]


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in paths.items():
        for method, operation in operations.items():
            yield path, method, operation


def _refusals(method: str, path: str, operation: dict[str, Any], services: Services) -> Iterator[int]:
    """Yield the statuses by which a request may be refused before its route hears of it."""
    if needed(method.upper(), path) != "free":
        if services.keyring is not None:
            yield from (401, 403, 429)
        elif services.settings.rate_per_second:
            yield 429
    if "requestBody" in operation:
        yield from (408, 413, 503)


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each body that an operation takes or gives."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from part.get("content", {}).values()


def _drop_null(schema: dict[str, Any]) -> None:
    """A parameter can be left out; what is sent is never null."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0]


def _answer(operations: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = operations["get"]["responses"]["200"]["content"]["application/json"]
    return content
