"""Routes for requests that come by the thousand: documented like any other, called without the framework's layers."""

from collections.abc import Awaitable, Callable, Sequence
from inspect import signature
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors
from service.routed_path import routed_path


class DirectRoute(APIRoute):
    """Calls an endpoint ``(request, services, ...)`` itself; FastAPI's resolution of its dependencies costs 0.2 ms.

    The rest are the parameters of the path, as text, and optionally ``query``: a pydantic model annotated as
    ``Annotated[Model, Query()]``, by which FastAPI documents the parameters.
    """

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """Hand over request, services, the path's parameters and the checked query, and nothing else."""
        endpoint, parameters = self.endpoint, signature(self.endpoint).parameters
        query: type[BaseModel] | None = parameters["query"].annotation.__origin__ if "query" in parameters else None

        async def handle(request: Request) -> Response:
            arguments: dict[str, Any] = dict(request.path_params)
            if query is not None:
                arguments["query"] = _checked(query, request)
            answer: Response = await endpoint(request, request.state.services, **arguments)
            return answer

        return handle


class DirectRoutes:
    """ASGI middleware, next to the application: answers what has a direct route, and passes on what has none.

    Between an application's middleware and a route's handler FastAPI and Starlette have a dozen layers, which cost
    a quarter of what a request costs in all.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[DirectRoute]) -> None:
        self._app = app
        self._routes = [
            (route, route.methods or set(), route.path_regex.match, route.get_route_handler()) for route in routes
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "http":
            method, path = scope["method"], routed_path(scope)
            for route, methods, match, handle in self._routes:
                if method in methods and (found := match(path)):
                    scope.update(route=route, endpoint=route.endpoint, path_params=found.groupdict())
                    request = Request(scope, receive, send)
                    try:
                        answer = await handle(request)
                    except Exception as error:  # noqa: BLE001 - what has no answer is raised again
                        answer = await errors.answered(request, error)
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _checked(query: type[BaseModel], request: Request) -> BaseModel:
    try:
        return query.model_validate(dict(request.query_params))
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestValidationError([{**first, "loc": ("query", *first["loc"])}]) from error
