"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service import errors
from service.routes import audits, classify, health, models
from service.services import Services
from service.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Put the application together; models are loaded when it starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Services]]:
        services = Services.start(settings)
        try:
            yield {"services": services}
        finally:
            services.close()

    app = FastAPI(title="Lookalike", version=version("lookalike"), lifespan=lifespan)
    errors.install(app)
    for routes in (health, models, classify, audits):
        app.include_router(routes.router)
    return app
