"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service import errors
from service.access.gate import Gate
from service.access.openapi import describe_keys
from service.access.rates import Rates
from service.body_guard import BodyGuard
from service.oip import infer, metadata, repository
from service.routes import audits, classify, health, models, reviews
from service.services import Services


def create_app(services: Services) -> FastAPI:
    """Put the application together over running services; who started them closes them."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Services]]:
        yield {"services": services}

    app = FastAPI(title="Lookalike", version=version("lookalike"), lifespan=lifespan)
    errors.install(app)
    settings, keyring = services.settings, services.keyring
    app.add_middleware(
        BodyGuard, most=settings.max_buffered_bytes, each=settings.max_json_bytes, seconds=settings.body_seconds
    )
    rates = Rates(settings.rate_per_second, settings.rate_burst) if settings.rate_per_second else None
    app.add_middleware(Gate, keyring=keyring, rates=rates)  # added last, so it comes first
    # Routes are tried one after the other: those that are called by far the most come first.
    app.include_router(classify.router, responses=errors.RESPONSES)
    app.include_router(infer.router)
    app.include_router(health.router)
    for routes in (models, audits, reviews):
        app.include_router(routes.router, responses=errors.RESPONSES)
    app.include_router(metadata.router)
    app.include_router(repository.router)
    if keyring is not None:
        describe_keys(app)
    return app
