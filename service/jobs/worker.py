"""The worker: a process that takes audits from the ledger and carries them out, chunk by chunk.

Execution is at least once, rows are exactly once: a chunk's object appears whole or not at all, and always with the
same bytes, so it does not matter at which moment a worker dies, nor that two may run the same chunk.
"""

import errno
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from polars.exceptions import PanicException  # not an Exception, by polars' choice

from models.errors import LookalikeError
from models.repository import ModelRepository
from service.audits.abandoned import ABANDONED_SECONDS, remove_abandoned
from service.audits.folder import AuditFolder
from service.audits.removal import remove
from service.audits.steps.work import STEPS, AuditWork, Step
from service.inference.classifier import Classifier
from service.jobs.database import DatabaseUnavailableError, migrate, open_database
from service.jobs.ledger import LEASE_SECONDS, MOST_ATTEMPTS, Claim, Ledger
from service.settings import Settings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_POLL_SECONDS = 2.0
_RETRY_SECONDS = 1.0
_EXPIRE_EVERY = 600.0


class _LetGoError(Exception):
    """The worker must leave the audit: it was cancelled, removed or taken over, or the worker is to stop."""


def new_name() -> str:
    """Make a name that no other worker has."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


class Worker:
    """One worker; ``run`` returns when ``stop`` has been called, after the chunk under way."""

    def __init__(self, settings: Settings, name: str | None = None) -> None:
        """Open the database and bring it up to date; raises ``DatabaseError``.

        At any time at most one worker may bear a ``name``; one that takes over a name takes over its audit at once.
        """
        engine = open_database(settings.database_url, settings.data_dir)
        migrate(engine)
        self.ledger = Ledger(engine)
        self._settings = settings
        self._root = settings.data_dir / "audits"
        self._name = name or new_name()
        self._models: dict[str, Classifier] = {}
        self._stop, self._wake = threading.Event(), threading.Event()
        self._expired_at = -_EXPIRE_EVERY

    def stop(self) -> None:
        """Let go of the audit after the chunk under way."""
        self._stop.set()
        self._wake.set()

    def wake(self) -> None:
        """Look for work now rather than at the next poll."""
        self._wake.set()

    def run(self) -> None:
        """Carry out audits until told to stop."""
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._expire()
                claim = self.ledger.claim(self._name)
            except DatabaseUnavailableError as error:
                _log.warning("%s", error)
                self._stop.wait(_RETRY_SECONDS)
                continue
            if claim is None:
                self._wake.wait(_POLL_SECONDS)
            else:
                self._carry_out(claim)

    def _carry_out(self, claim: Claim) -> None:
        lost = threading.Event()
        ended = threading.Event()
        heart = threading.Thread(target=self._beat, args=(claim, lost, ended), daemon=True)
        heart.start()
        try:
            self._steps(claim, lost)
            self._patiently(lambda: self.ledger.end(claim, self._name, "succeeded"))
        except _LetGoError:
            self._let_go(claim)
        except LookalikeError as error:
            self._fail(claim, AuditFolder(self._root / claim.audit_id).in_callers_words(str(error)))
        except OSError as error:
            if not AuditFolder(self._root / claim.audit_id).path.exists():
                self._fail(claim, "the files of this audit are gone")  # unless it was removed: then nobody is told
            elif error.errno in _NO_ROOM:
                self._fail(claim, "there is no room left to store the answers; free some, and submit the file again")
            else:
                self._fail_unexpectedly(claim)
        except (Exception, PanicException):  # noqa: BLE001 - whatever it is, the audit must not stay "running"
            self._fail_unexpectedly(claim)
        finally:
            ended.set()
            heart.join()

    def _steps(self, claim: Claim, lost: threading.Event) -> None:
        folder = AuditFolder(self._root / claim.audit_id)
        with AuditWork(
            folder.path,
            folder.source(),
            lambda: self._classifier(claim.model),
            max_pixels=self._settings.max_image_pixels,
            chunk_rows=self._settings.chunk_rows,
            threads=self._settings.cpu_threads,
        ) as work:
            steps = STEPS[STEPS.index(claim.step) :]
            for step, following in zip(steps, [*steps[1:], None], strict=True):
                for i in self._patiently(partial(self.ledger.todo, claim, step)):
                    self._chunk(work, claim, step, i, lost)
                if following is not None:
                    self._patiently(partial(self.ledger.advance, claim, following, work.chunks(following)))

    def _chunk(self, work: AuditWork, claim: Claim, step: Step, i: int, lost: threading.Event) -> None:
        if lost.is_set() or self._stop.is_set():
            raise _LetGoError
        if self._patiently(lambda: self.ledger.begin_chunk(claim, step, i)) > MOST_ATTEMPTS:
            raise LookalikeError(
                f"the service was killed {MOST_ATTEMPTS} times at the same {work.rows_of(step, i)}: perhaps they need "
                "more memory than it has"
            )
        work.run_chunk(step, i, claim.revision)
        self._patiently(lambda: self.ledger.chunk_done(claim, step, i))

    def _beat(self, claim: Claim, lost: threading.Event, ended: threading.Event) -> None:
        """Hold the lease until the audit has ended; say so where it is lost."""
        while not ended.wait(min(1.0, LEASE_SECONDS / 3)):
            with suppress(DatabaseUnavailableError):  # the chunk under way goes on; its record waits
                if not self.ledger.beat(claim.audit_id, self._name):
                    lost.set()
                    return

    def _let_go(self, claim: Claim) -> None:
        """After a cancellation the audit is over; after a stop the next worker goes on."""
        if self._stop.is_set():
            with suppress(DatabaseUnavailableError):
                self.ledger.release(claim.audit_id, self._name)
        else:
            self._patiently(lambda: self.ledger.end(claim, self._name, "cancelled"))

    def _fail(self, claim: Claim, error: str) -> None:
        with suppress(_LetGoError):
            self._patiently(lambda: self.ledger.end(claim, self._name, "failed", error))

    def _fail_unexpectedly(self, claim: Claim) -> None:
        _log.exception("audit %s failed", claim.audit_id)
        self._fail(claim, "the service failed at this audit; its log says why")

    def _patiently(self, act: Callable[[], _T]) -> _T:
        """Do it as soon as the database answers."""
        while True:
            try:
                return act()
            except DatabaseUnavailableError as error:
                _log.warning("%s", error)
                if self._stop.wait(_RETRY_SECONDS):
                    raise _LetGoError from error

    def _classifier(self, model: str | None) -> Classifier | None:
        if model is None:
            return None
        if model not in self._models:
            self._models.clear()  # one at a time in memory
            repository = ModelRepository(self._settings.models_dir)
            self._models[model] = Classifier(repository.resolve(model), device="cpu")
        return self._models[model]

    def _expire(self) -> None:
        days = self._settings.audit_days
        if time.monotonic() - self._expired_at < _EXPIRE_EVERY:
            return
        self._expired_at = time.monotonic()
        remove_abandoned(self._root, time.time() - ABANDONED_SECONDS)
        if not days:
            return
        for audit_id in self.ledger.ended_before(time.time() - days * 86_400):
            remove(self.ledger, self._root, audit_id)
            _log.info("audit %s expired and was removed", audit_id)
