"""The audits as the routes see them: the ledger, the runner, the files and the decisions together."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from fastapi.concurrency import run_in_threadpool

from models.groups import groups_in, parse_groups
from models.repository import ModelNotFoundError
from service.audits.decisions import Decisions
from service.audits.folder import AuditFolder
from service.audits.pictures import Pictures
from service.audits.removal import remove
from service.audits.steps.given import save_decisions
from service.audits.steps.options import AuditError, AuditOptions
from service.audits.steps.plan import Plan
from service.audits.steps.work import STEPS
from service.inference.loaded_models import LoadedModels
from service.jobs.audit_state import ENDED, AuditPage, AuditState
from service.jobs.ledger import AuditBusyError, AuditNotFoundError, Ledger
from service.jobs.quotas import Incoming, Quota, Quotas
from service.jobs.runner import Runner, WorkerState
from service.settings import Settings


class AuditNotFinishedError(AuditError):
    """The audit has no answers yet, or never will."""


class Audits:
    """All audits of one data folder."""

    def __init__(self, settings: Settings, models: LoadedModels, ledger: Ledger, runner: Runner) -> None:
        self._models, self.ledger, self._runner = models, ledger, runner
        self._quotas = Quotas(
            together=Quota(settings.max_audits, settings.max_kept_bytes),
            each=Quota(settings.max_audits_per_key, settings.max_kept_bytes_per_key),
        )
        self._incoming: list[Incoming] = []
        """Uploads that this server is receiving."""
        self._root = settings.data_dir / "audits"
        self.decisions = Decisions(ledger.engine)
        self.pictures = Pictures(max_pixels=settings.max_image_pixels)

    @asynccontextmanager
    async def receiving(self, owner: str, announced: int) -> AsyncIterator[AuditFolder]:
        """Give a folder for an upload of so many bytes; what raises before it is submitted removes it.

        Raises ``QuotaError`` where there is no room for it beside the other uploads that are coming in.
        """
        incoming = Incoming(owner, announced)
        self._incoming.append(incoming)
        try:
            await run_in_threadpool(self.ledger.check, self._quotas, owner, tuple(self._incoming))
            folder = AuditFolder.create(self._root)
            try:
                yield folder
            except BaseException:
                shutil.rmtree(folder.path, ignore_errors=True)
                raise
        finally:
            self._incoming.remove(incoming)

    def submit(self, folder: AuditFolder, options: AuditOptions, owner: str, *, name: str | None = None) -> AuditState:
        """Queue an upload. Raises at once what can be known at once.

        That is ``ModelNotFoundError``, ``QuotaError``, and ``GroupsError`` for groups that are not what they should be;
        which classes there are is known only when the labels have been read, but for reference evidence.
        """
        model = self._model(folder, options)
        folder.save_options(options)
        state = self.ledger.submit(
            folder.id,
            model=model,
            size=folder.size,
            owner=owner,
            name=name,
            quotas=self._quotas,
        )
        self._runner.submit(folder.id)
        return state

    def newest(self, limit: int, cursor: str | None = None) -> AuditPage:
        """The states of so many audits, newest first; the next ones from the ``next_cursor`` of a page on."""
        return self.ledger.newest(limit, cursor)

    def state(self, audit_id: str) -> AuditState:
        """Tell where one audit stands; raises ``AuditNotFoundError``."""
        if not AuditFolder.is_id(audit_id):
            raise AuditNotFoundError(f"no audit {audit_id!r}")
        return self.ledger.state(audit_id)

    def finished(self, audit_id: str) -> AuditFolder:
        """Find an audit that has answers; raises ``AuditNotFoundError`` or ``AuditNotFinishedError``.

        While decisions are taken in, the answers are those of before.
        """
        state = self.state(audit_id)
        folder = AuditFolder(self._root / state.id)
        if state.status == "succeeded" or (state.revision and (folder.path / "report.json").exists()):
            return folder
        if state.status == "failed":
            raise AuditNotFinishedError(f"audit {audit_id} failed: {state.error}")
        if state.status == "cancelled":
            raise AuditNotFinishedError(f"audit {audit_id} was cancelled")
        raise AuditNotFinishedError(f"audit {audit_id} is {state.status}; ask again when it has succeeded")

    @property
    def worker(self) -> WorkerState:
        """How the process that carries audits out is."""
        return self._runner.state

    def cancel(self, audit_id: str) -> AuditState:
        """Stop an audit that waits or runs."""
        self.state(audit_id)
        state = self.ledger.cancel(audit_id)
        self._runner.cancel(audit_id)
        return state

    def delete(self, audit_id: str) -> None:
        """Remove an audit and all its files, also while it runs."""
        self.state(audit_id)
        self.pictures.forget(AuditFolder(self._root / audit_id))
        remove(self.ledger, self._root, audit_id)

    def rescore(self, audit_id: str) -> AuditState:
        """Score once more with the reviewers' decisions: rows that they kept or relabelled are trusted.

        Raises ``AuditBusyError`` while the audit is under way, ``AuditNotFinishedError`` where it has no answers.
        """
        folder = self.finished(audit_id)
        state = self.ledger.state(audit_id)
        if state.status not in ENDED:
            raise AuditBusyError(f"audit {audit_id} is being scored; try again when it has ended")
        plan = Plan.load(folder.path)
        index = {spelling: k for k, spelling in enumerate(plan.spelling)}
        given = plan.labels(folder.path)["given"]
        rows, labels = [], []
        for row, each in sorted(self.decisions.verdicts(audit_id, plan.rows).items()):
            rows.append(row)
            labels.append(index[each.label] if each.label is not None else int(given[row]))
        known = [(row, label) for row, label in zip(rows, labels, strict=True) if label >= 0]
        decided = np.array(known, dtype=np.intp).reshape(-1, 2)
        revision = state.revision + 1

        def prepare() -> None:
            save_decisions(folder.path, revision, decided[:, 0], decided[:, 1])

        again = self.ledger.rescore(audit_id, STEPS[STEPS.index("fit")], [plan.rows], revision, prepare)
        self._runner.submit(audit_id)
        return again

    def close(self) -> None:
        """Stop the worker, where it is the server's own; what is unfinished goes on at the next start."""
        self._runner.close()
        self.pictures.close()
        self.ledger.engine.dispose()

    def _model(self, folder: AuditFolder, options: AuditOptions) -> str | None:
        if options.groups is not None:
            groups_in(options.groups)
        name, _, version = (options.model or "").partition("@")
        try:
            manifest = self._models.get(name or None, version or None).classifier.manifest
        except ModelNotFoundError:
            if options.model is not None or folder.images is not None:
                raise
            return None  # the file's own probabilities need no model
        if options.groups is not None and options.evidence == "reference" and folder.images is not None:
            parse_groups(options.groups, manifest.classes)
        return f"{manifest.name}@{manifest.version}"
