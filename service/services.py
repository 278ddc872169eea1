"""What the routes work with: built once in the application's lifespan, typed, and handed to each request."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from models.repository import ModelRepository
from service.audits.jobs import Audits
from service.loaded_models import LoadedModels, usable_cores
from service.settings import Settings


@dataclass(frozen=True)
class Services:
    """The parts of a running service."""

    settings: Settings
    models: LoadedModels
    decoders: ThreadPoolExecutor
    audits: Audits

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Load the models and take up unfinished audits."""
        models = LoadedModels(ModelRepository(settings.models_dir), settings)
        try:
            audits = Audits(settings.data_dir / "audits", models, max_pixels=settings.max_image_pixels)
        except BaseException:  # the models' threads would keep the process from ending
            models.close()
            raise
        return cls(settings, models, ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode"), audits)

    def close(self) -> None:
        """Stop in the order that lets accepted work finish."""
        self.audits.close()
        self.models.close()
        self.decoders.shutdown()


def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


UseServices = Annotated[Services, Depends(_services)]
