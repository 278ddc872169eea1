"""The HTTP application."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from service import errors
from service.access.binding import is_for_this_machine
from service.access.gate import Gate
from service.access.openapi import describe_keys
from service.access.rates import Rates
from service.description import describe
from service.http.body_guard import BodyGuard
from service.http.connection_wall import ConnectionWall
from service.oip import infer, metadata, repository
from service.pages import api_docs, audit, home, review, sign_in, static_files, try_it
from service.pages import classify as classify_page
from service.routes import audits, classify, health, metrics, models, previews, reviews
from service.routes.direct_route import DirectRoute, DirectRoutes
from service.services import Services
from service.telemetry.access_log import AccessLog
from service.telemetry.observed import Observed


def create_app(services: Services) -> FastAPI:
    """Put the application together over running services; who started them closes them."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Services]]:
        yield {"services": services}

    # The description of the interface is one of the pages: FastAPI's own loads scripts from other hosts.
    # Metrics and logs are ours; that FastAPI looks at each request whether OpenTelemetry is set up costs 6 us.
    app = FastAPI(
        title="Lookalike",
        version=version("lookalike"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    errors.install(app)
    # Routes are tried one after the other: those that are called by far the most come first.
    interface = (classify, infer, health, metrics, models, previews, audits, reviews, metadata, repository)
    pages = (home, audit, review, classify_page, try_it, api_docs, sign_in, static_files)
    routers = [each.router for each in (*interface, *pages)]
    for router in routers:
        app.include_router(router)
    app.state.methods = _methods(routers)
    describe(app, services)
    if services.keyring is not None:
        describe_keys(app)
    app.middleware_stack = _guarded(app.build_middleware_stack(), routers, services)
    return app


def _guarded(app: ASGIApp, routers: Sequence[APIRouter], services: Services) -> ASGIApp:
    """The way in, from the inside out: nothing is refused, nor fails, that is not seen."""
    settings = services.settings
    app = DirectRoutes(app, [route for each in routers for route in each.routes if isinstance(route, DirectRoute)])
    app = BodyGuard(app, most=settings.max_buffered_bytes, each=settings.max_json_bytes, seconds=settings.body_seconds)
    rates = Rates(settings.rate_per_second, settings.rate_burst) if settings.rate_per_second else None
    app = Gate(app, services.keyring, rates, this_machine=is_for_this_machine(settings))
    app = ConnectionWall(app)
    return Observed(app, services.traffic, AccessLog(settings.access_log))


def _methods(routers: list[APIRouter]) -> dict[str, list[str]]:
    """The methods of each path that there is."""
    methods: dict[str, set[str]] = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                methods.setdefault(route.path, set()).update(route.methods or ())
    return {path: sorted(names) for path, names in methods.items()}
