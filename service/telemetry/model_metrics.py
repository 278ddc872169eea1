"""What is counted and timed of one model version. It goes when the model goes."""

from collections import Counter
from collections.abc import Iterable, Sequence

from models.answer import Prediction
from models.manifest import Manifest
from models.scores import Scores
from service.telemetry.drift import ClassDrift
from service.telemetry.histogram import IMAGES, Histogram


class ModelMetrics:
    """Hears of all that is done with a model, in whatever thread it is done."""

    def __init__(self, manifest: Manifest) -> None:
        self.decode = Histogram()
        """Seconds an image."""
        self.queue_wait = Histogram()
        """Seconds from the images of a request being ready to their batch being begun."""
        self.batch_images = Histogram(IMAGES)
        self.inference = Histogram()
        """Seconds a batch."""
        self.predictions: Counter[tuple[str, str]] = Counter()
        """By class and level of the decision. Counted by the event loop alone."""
        self.drift = None if manifest.is_encoder else ClassDrift.of(manifest)

    def ran(self, images: int, seconds: float, waits: Sequence[float]) -> None:
        """Hear of a batch, as ``service.inference.model_queue.Observe``."""
        self.batch_images.observe(images)
        self.inference.observe(seconds)
        self.queue_wait.observe_all(waits)

    def scored(self, scores: Scores) -> None:
        """Hear of the scores of a request's images, whatever is answered of them."""
        if self.drift is not None:
            self.drift.saw(scores.ranking[:, 0].tolist())

    def predicted(self, predictions: Iterable[Prediction]) -> None:
        """Count predictions."""
        for prediction in predictions:
            self.predictions[prediction["class"], prediction["decision"]["level"]] += 1
