"""Everything that Prometheus is told; ``docs/observability.md`` lists it, too."""

import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.inference.loaded_models import LoadedModel, LoadedModels
from service.telemetry.histogram import Histogram
from service.telemetry.traffic import Traffic

_MODEL = ("model", "version")
_TIMES: dict[str, tuple[str, Callable[[LoadedModel], Histogram]]] = {
    "lookalike_decode_seconds": ("Decoding and resizing an image.", lambda each: each.metrics.decode),
    "lookalike_queue_wait_seconds": (
        "From the images of a request being ready to their batch being begun.",
        lambda each: each.metrics.queue_wait,
    ),
    "lookalike_batch_images": ("Images in a batch.", lambda each: each.metrics.batch_images),
    "lookalike_inference_seconds": ("Running a batch.", lambda each: each.metrics.inference),
}


class ServiceMetrics(Collector):
    """Looks at the service when Prometheus asks."""

    def __init__(self, traffic: Traffic, models: LoadedModels) -> None:
        self._traffic, self._models = traffic, models
        self.audits: Mapping[str, int] | None = None
        """How many there are by status; None: the database does not answer."""

    def collect(self) -> Iterator[Metric]:
        """Tell all metrics."""
        build = GaugeMetricFamily("lookalike_build_info", "What is running.", labels=("version", "python"))
        build.add_metric((version("lookalike"), platform.python_version()), 1)
        yield build
        yield from self._requests()
        loaded = self._models.all()
        yield from _work(loaded)
        yield from _answers(loaded)
        yield from self._ledger()

    def _requests(self) -> Iterator[Metric]:
        answered = CounterMetricFamily("lookalike_requests", "Requests answered.", labels=("method", "route", "status"))
        for (method, route, status), count in self._traffic.requests.copy().items():
            answered.add_metric((method, route, str(status)), count)
        durations = HistogramMetricFamily(
            "lookalike_request_duration_seconds",
            "From a request's head to the beginning of its answer.",
            labels=("method", "route"),
        )
        for key, histogram in self._traffic.durations.copy().items():
            durations.add_metric(key, *histogram.read())
        errors = CounterMetricFamily("lookalike_errors", "Requests answered with an error.", labels=("code",))
        for code, count in self._traffic.errors.copy().items():
            errors.add_metric((code,), count)
        yield from (answered, durations, errors)

    def _ledger(self) -> Iterator[Metric]:
        audits = GaugeMetricFamily("lookalike_audits", "Audits in the ledger.", labels=("status",))
        for status, count in (self.audits or {}).items():
            audits.add_metric((status,), count)
        yield audits
        yield GaugeMetricFamily("lookalike_database_up", "Whether the ledger answers.", float(self.audits is not None))


def _work(models: list[LoadedModel]) -> Iterator[Metric]:
    info = GaugeMetricFamily("lookalike_model_info", "1 for each version served.", labels=(*_MODEL, "kind", "device"))
    working = GaugeMetricFamily("lookalike_images_in_progress", "Images decoded, waiting or run.", labels=_MODEL)
    refused = CounterMetricFamily("lookalike_images_refused", "Images without room.", labels=_MODEL)
    for loaded in models:
        kind = "encoder" if loaded.classifier.manifest.is_encoder else "classifier"
        info.add_metric((*_labels(loaded), kind, loaded.classifier.device), 1)
        working.add_metric(_labels(loaded), loaded.admission.admitted)
        refused.add_metric(_labels(loaded), loaded.admission.refused)
    yield from (info, working, refused)
    for name, (help_text, histogram) in _TIMES.items():
        family = HistogramMetricFamily(name, help_text, labels=_MODEL)
        for loaded in models:
            family.add_metric(_labels(loaded), *histogram(loaded).read())
        yield family


def _answers(models: list[LoadedModel]) -> Iterator[Metric]:
    predictions = CounterMetricFamily(
        "lookalike_predictions",
        "Predictions by top class and by the level at which they were sure.",
        labels=(*_MODEL, "class", "level"),
    )
    distance = GaugeMetricFamily(
        "lookalike_class_drift", "Distance of the latest predictions from those on validation data.", labels=_MODEL
    )
    by_chance = GaugeMetricFamily(
        "lookalike_class_drift_by_chance", "What to expect of it where nothing has changed.", labels=_MODEL
    )
    compared = GaugeMetricFamily("lookalike_class_drift_images", "Predictions compared.", labels=_MODEL)
    for loaded in models:
        for outcome, count in loaded.metrics.predictions.copy().items():
            predictions.add_metric((*_labels(loaded), *outcome), count)
        if loaded.metrics.drift is not None and (drift := loaded.metrics.drift.measure()):
            distance.add_metric(_labels(loaded), drift.distance)
            by_chance.add_metric(_labels(loaded), drift.by_chance)
            compared.add_metric(_labels(loaded), drift.images)
    yield from (predictions, distance, by_chance, compared)


def _labels(loaded: LoadedModel) -> tuple[str, str]:
    manifest = loaded.classifier.manifest
    return manifest.name, manifest.version
