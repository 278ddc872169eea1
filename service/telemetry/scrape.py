"""The answer to Prometheus."""

import asyncio
from typing import Any

import anyio.to_thread
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from service.inference.loaded_models import LoadedModels
from service.jobs.database import DatabaseUnavailableError
from service.jobs.ledger import Ledger
from service.telemetry.metrics import ServiceMetrics
from service.telemetry.traffic import Traffic

PATIENCE = 1.0
"""Seconds that the ledger has: what else there is to tell must not wait for a database that hangs."""


class Scrape:
    """Writes down all metrics. Used from the event loop alone, which it keeps free."""

    def __init__(self, traffic: Traffic, models: LoadedModels, ledger: Ledger) -> None:
        self._registry, self._ledger = CollectorRegistry(), ledger
        self._metrics = ServiceMetrics(traffic, models)
        self._registry.register(self._metrics)
        ProcessCollector(registry=self._registry)
        self._asking: asyncio.Future[dict[str, int]] | None = None

    async def text(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics, as OpenMetrics where the header ``Accept`` names it, and their media type."""
        await self._count_audits()
        write: Any = generate_latest
        media_type = CONTENT_TYPE_PLAIN_0_0_4
        if "application/openmetrics-text" in accept.lower():
            write, media_type = openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST
        return await anyio.to_thread.run_sync(write, self._registry), media_type

    async def _count_audits(self) -> None:
        """Ask the ledger. However often Prometheus comes, one question at a time waits for an answer."""
        if self._asking is None:
            count = anyio.to_thread.run_sync(self._ledger.count_by_status, abandon_on_cancel=True)
            self._asking = asyncio.ensure_future(count)
        asking = self._asking
        await asyncio.wait({asking}, timeout=PATIENCE)
        self._metrics.audits = None
        if asking.done():
            self._asking = None
            try:
                self._metrics.audits = asking.result()
            except DatabaseUnavailableError:
                return
