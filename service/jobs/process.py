"""A worker as a process of its own: beside a server, or by itself (``lookalike worker``)."""

import os
import signal
import sys
import threading
from collections.abc import Callable

from service.jobs.worker import Worker
from service.settings import Settings
from service.telemetry.logs import configure

_NICENESS = 19
"""Classifications come first."""


def work(settings: Settings, name: str | None = None, listen: Callable[[Worker], None] | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT; ``listen`` runs beside it."""
    configure(settings)
    os.nice(_NICENESS)
    worker = Worker(settings, name)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: worker.stop())
    if listen is not None:
        threading.Thread(target=listen, args=(worker,), daemon=True).start()
    worker.run()


def _obey(worker: Worker) -> None:
    """Wake with every line of the standard input, stop at its end."""
    for _ in sys.stdin:
        worker.wake()
    worker.stop()


if __name__ == "__main__":
    settings, name = sys.stdin.readline(), sys.stdin.readline()
    if name:  # else the server was killed before it had said them
        work(Settings.model_validate_json(settings), name.strip(), _obey)
