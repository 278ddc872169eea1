"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service import errors
from service.routes import audits, classify, health, models
from service.services import Services
from service.settings import Settings


def create_app(settings: Settings, services: Services | None = None) -> FastAPI:
    """Put the application together; models are loaded when it starts, unless the caller hands over running services.

    Whoever started the services closes them.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Services]]:
        if services is not None:
            yield {"services": services}
            return
        started = Services.start(settings)
        try:
            yield {"services": started}
        finally:
            started.close()

    app = FastAPI(title="Lookalike", version=version("lookalike"), lifespan=lifespan)
    errors.install(app)
    for routes in (health, models, classify, audits):
        app.include_router(routes.router)
    return app
