"""What the routes work with: built once, typed, and handed to each request."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from models.repository import ModelRepository
from service.access.keyring import Keyring
from service.audits.audits import Audits
from service.audits.review import Review
from service.data_folder import make_data_folder
from service.inference.loaded_models import LoadedModels
from service.inference.scorer import Scorer
from service.inference.watcher import Watcher
from service.jobs.database import migrate, open_database
from service.jobs.ledger import Ledger
from service.jobs.runner import LocalRunner, NoRunner
from service.settings import Settings
from service.telemetry.scrape import Scrape
from service.telemetry.traffic import Traffic


@dataclass(frozen=True)
class Services:
    """The parts of a running service."""

    settings: Settings
    models: LoadedModels
    scorer: Scorer
    audits: Audits
    review: Review
    traffic: Traffic
    scrape: Scrape
    draining: threading.Event
    """Set once the server was told to stop."""
    keyring: Keyring | None
    """None: nobody is asked for a key."""

    @classmethod
    @contextmanager
    def running(cls, settings: Settings) -> Iterator[Self]:
        """Load the models and take up unfinished audits; at the end, close in the order that lets work finish.

        Raises a ``LookalikeError`` for whatever keeps the service from starting.
        """
        with ExitStack() as stack:
            keyring = Keyring(settings.keys_file) if settings.keys_file is not None else None
            make_data_folder(settings.data_dir)
            engine = open_database(settings.database_url, settings.data_dir)
            stack.callback(engine.dispose)
            migrate(engine)
            models = stack.enter_context(closing(LoadedModels(ModelRepository(settings.models_dir), settings)))
            scorer = stack.enter_context(closing(Scorer(models, settings)))
            if settings.models_poll_seconds:
                stack.enter_context(closing(Watcher(models, settings.models_poll_seconds)))
            ledger = Ledger(engine)
            runner = LocalRunner(settings, ledger) if settings.worker == "local" else NoRunner()
            audits = Audits(settings, models, ledger, runner)
            stack.callback(audits.close)
            traffic = Traffic()
            scrape = Scrape(traffic, models, ledger)
            yield cls(
                settings, models, scorer, audits, Review(audits, models), traffic, scrape, threading.Event(), keyring
            )


def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


UseServices = Annotated[Services, Depends(_services)]
