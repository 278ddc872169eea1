"""Runs submitted audits one after the other, beside the server's other work."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from polars.exceptions import PanicException  # not an Exception, by polars' choice

from models.errors import LookalikeError
from models.groups import parse_groups
from service.audits.folder import AuditFolder, AuditState
from service.audits.run import AuditOptions, run_audit
from service.loaded_models import LoadedModels

_log = logging.getLogger(__name__)

_SAVE_EVERY = 0.5
"""Seconds between two records of how far an audit is."""


class AuditNotFoundError(LookalikeError):
    """There is no such audit."""


class AuditNotFinishedError(LookalikeError):
    """The audit has no answers yet, or never will."""


class _ShutdownError(Exception):
    """The server is stopping; the audit stays to be run again."""


class Audits:
    """The audits of one data folder. Those that a stopped server left unfinished are run again at the next start."""

    def __init__(self, root: Path, models: LoadedModels, *, max_pixels: int) -> None:
        self._root, self._models, self._max_pixels = root, models, max_pixels
        self._stopping = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="audit")
        for folder in AuditFolder.all(root):
            if folder.state.status in {"queued", "running"}:
                self._worker.submit(self._run, folder)

    def new_folder(self) -> AuditFolder:
        """Make a folder to put an upload in; ``submit`` or ``discard`` it."""
        return AuditFolder.create(self._root)

    def submit(self, folder: AuditFolder, options: AuditOptions) -> AuditState:
        """Queue an upload. Raises at once ``ModelNotFoundError``, or ``GroupsError`` for groups of other classes."""
        name, _, version = (options.model or "").partition("@")
        manifest = self._models.get(name or None, version or None).classifier.manifest
        if options.groups is not None:
            parse_groups(options.groups, manifest.classes)
        state = folder.submit(options, f"{manifest.name}@{manifest.version}")
        self._worker.submit(self._run, folder)
        return state

    def states(self) -> list[AuditState]:
        """The states of all audits, oldest first."""
        return [folder.state for folder in AuditFolder.all(self._root)]

    def get(self, audit_id: str) -> AuditFolder:
        """Find an audit; raises ``AuditNotFoundError``."""
        folder = AuditFolder.find(self._root, audit_id)
        if folder is None:
            raise AuditNotFoundError(f"no audit {audit_id!r}")
        return folder

    def finished(self, audit_id: str) -> AuditFolder:
        """Find an audit that has answers; raises ``AuditNotFoundError`` or ``AuditNotFinishedError``."""
        folder = self.get(audit_id)
        state = folder.state
        if state.status == "failed":
            raise AuditNotFinishedError(f"audit {audit_id} failed: {state.error}")
        if state.status != "succeeded":
            raise AuditNotFinishedError(f"audit {audit_id} is {state.status}; ask again when it has succeeded")
        return folder

    def close(self) -> None:
        """Stop at the next image; what is unfinished runs again at the next start."""
        self._stopping = True
        self._worker.shutdown(cancel_futures=True)

    def _run(self, folder: AuditFolder) -> None:
        state = folder.state

        saved = -_SAVE_EVERY

        def progress(phase: str, done: int, total: int) -> None:
            nonlocal saved
            if self._stopping:
                raise _ShutdownError
            if time.monotonic() - saved >= _SAVE_EVERY:
                saved = time.monotonic()
                update = {"status": "running", "phase": phase, "done": done, "total": total}
                folder.save(state.model_copy(update=update))

        try:
            name, _, version = state.model.partition("@")
            report = run_audit(
                folder.labels,
                folder.images,
                folder.options,
                self._models.get(name, version).classifier,
                folder.path,
                progress=progress,
                max_pixels=self._max_pixels,
            )
            n = int(report["rows"])
            folder.save(state.model_copy(update={"status": "succeeded", "phase": "done", "done": n, "total": n}))
        except _ShutdownError:
            return
        except LookalikeError as error:
            folder.save(state.model_copy(update={"status": "failed", "error": str(error)}))
        except (Exception, PanicException):  # noqa: BLE001 - whatever it is, the audit must not stay "running"
            _log.exception("audit %s failed", folder.id)
            error_text = "the service failed at this audit; its log says why"
            folder.save(state.model_copy(update={"status": "failed", "error": error_text}))
