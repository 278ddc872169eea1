"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service import errors
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
    settings = services.settings
    app.add_middleware(
        BodyGuard, most=settings.max_buffered_bytes, each=settings.max_json_bytes, seconds=settings.body_seconds
    )
    # Routes are tried one after the other: those that are called by far the most come first.
    app.include_router(classify.router, responses=errors.RESPONSES)
    app.include_router(infer.router)
    app.include_router(health.router)
    for routes in (models, audits, reviews):
        app.include_router(routes.router, responses=errors.RESPONSES)
    app.include_router(metadata.router)
    app.include_router(repository.router)
    return app
