"""Who gets an audit under way: the seam between the ledger and whatever carries it out."""

import logging
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Literal, Protocol

from service.audits.abandoned import ABANDONED_SECONDS, abandoned
from service.jobs.ledger import Ledger
from service.jobs.worker import new_name
from service.settings import Settings

_log = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0


WorkerState = Literal["idle", "running", "failing", "elsewhere"]
"""Not needed yet; running; could not be started or ended by itself, and is started again; in another process's care."""


class Runner(Protocol):
    """Starts and stops audits that are in the ledger. Both methods may be called again without harm."""

    @property
    def state(self) -> WorkerState:
        """How the worker is."""

    def submit(self, audit_id: str) -> None:
        """Start an audit, or go on with it."""

    def cancel(self, audit_id: str) -> None:
        """Notice soon that an audit was cancelled in the ledger."""

    def close(self) -> None:
        """Stop; what is unfinished stays in the ledger."""


class NoRunner:
    """Workers run elsewhere and find their work in the ledger by themselves."""

    state: WorkerState = "elsewhere"

    def submit(self, audit_id: str) -> None:
        """Leave it to the workers."""

    def cancel(self, audit_id: str) -> None:
        """Leave it to the workers."""

    def close(self) -> None:
        """There is nothing to stop."""


class LocalRunner:
    """A worker process beside the server: started as soon as it has anything to do, started again when it dies.

    The settings and its name go over its standard input, each further line wakes it, and the end of the input stops
    it: it can't outlive the server.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._name = new_name()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._supervisor: threading.Thread | None = None
        self._closing = threading.Event()
        self._failures = 0
        if _has_work(settings, ledger):
            self.submit("")

    def submit(self, audit_id: str) -> None:  # noqa: ARG002 - the ledger knows
        """Wake the worker, or have it started."""
        with self._lock:
            if self._supervisor is None and not self._closing.is_set():
                self._supervisor = threading.Thread(target=self._supervise, daemon=True, name="audit-worker")
                self._supervisor.start()
            self._tell("wake")

    def cancel(self, audit_id: str) -> None:
        """Leave it to the worker, which notices with its next heartbeat."""

    def close(self) -> None:
        """Let the worker finish its chunk and stop; one that takes too long is killed, and loses nothing by it."""
        with self._lock:
            self._closing.set()
            process = self._process
        if process is None or process.stdin is None:
            return
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(self._settings.shutdown_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int | None:
        """Of the worker process, while there is one."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    @property
    def state(self) -> WorkerState:
        """How the worker is, as far as its process tells."""
        if self.pid is not None:
            return "running"
        return "failing" if self._failures else "idle"

    def _supervise(self) -> None:
        """Keep a worker running: at once again if it was killed, ever later if it fails or can't even be started."""
        while not self._closing.is_set():
            started = time.monotonic()
            try:
                code = self._run()
            except OSError as error:  # no memory for a process, or no file descriptor
                self._failures += 1
                ended = f"can't be started: {error}"
            else:
                self._failures = count_failures(self._failures, code, time.monotonic() - started)
                ended = f"ended with {code}"
            if self._closing.is_set():
                return
            pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
            _log.warning("the audit worker %s; another is started in %.1f s", ended, pause)
            self._closing.wait(pause)

    def _run(self) -> int:
        """Run a worker to its end; raises ``OSError`` where none can be started."""
        # -P: a folder called service, where the server is started, is not this package.
        command = [sys.executable, "-P", "-m", "service.jobs.process"]
        with self._lock:
            if self._closing.is_set():
                return 0
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)  # noqa: S603 - no outside input
            self._tell(self._settings.model_dump_json())
            self._tell(self._name)
        code = self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        return code

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with suppress(OSError, ValueError):  # it has just died, or is being closed; a new one looks for work by itself
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def _has_work(settings: Settings, ledger: Ledger) -> bool:
    """Whether there may be other servers' audits, or something is left by the last: to carry out, or to remove."""
    return (
        settings.database_url is not None
        or settings.audit_days > 0
        or ledger.has_work()
        or bool(abandoned(settings.data_dir / "audits", time.time() - ABANDONED_SECONDS))
    )


def count_failures(before: int, code: int, lived: float) -> int:
    """How often in a row the worker failed by itself, when it ended with ``code`` after ``lived`` seconds.

    One that was killed, or had run for a while, begins anew.
    """
    if code < 0:
        return 0
    return 1 if lived > _LONGEST_PAUSE_SECONDS else before + 1
