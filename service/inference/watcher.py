"""Looks for new and removed model versions from time to time."""

import logging
import threading

from service.inference.loaded_models import LoadedModels

_log = logging.getLogger("lookalike.models")


class Watcher:
    """A thread that refreshes the models every so many seconds, until it is closed."""

    def __init__(self, models: LoadedModels, seconds: float) -> None:
        self._models, self._seconds = models, seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch-models", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a version that is being loaded is waited for."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(self._seconds):
            try:
                self._models.refresh()
            except Exception:  # noqa: BLE001 - whatever it is, the next look may go better
                _log.exception("the model repository can't be looked at")
