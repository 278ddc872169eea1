"""An audit on disk: ``<data>/audits/<id>/`` with the upload, the options, the state and the answers."""

import logging
import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from service.audits.run import AuditOptions

Status = Literal["queued", "running", "succeeded", "failed"]
_log = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{16}")


class AuditState(BaseModel):
    """Where an audit stands."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: Status = "queued"
    phase: str | None = None
    done: int = 0
    total: int = 0
    error: str | None = None
    """For a failed audit: what to change."""
    created_at: datetime
    model: str
    """``NAME@VERSION``, fixed when the audit is submitted."""


class AuditFolder:
    """The files of one audit. The state is written aside and renamed, so a reader always finds a whole one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / "state.json"
        self._options = path / "options.json"

    @classmethod
    def create(cls, root: Path) -> "AuditFolder":
        """Make a folder with a fresh id. It is no audit, and is not found, until ``save`` has been called."""
        folder = cls(root / secrets.token_hex(8))
        folder.path.mkdir(parents=True)
        return folder

    @staticmethod
    def find(root: Path, audit_id: str) -> "AuditFolder | None":
        """The audit with an id that came from outside, or None."""
        folder = AuditFolder(root / audit_id) if _ID.fullmatch(audit_id) else None
        return folder if folder and folder.exists() else None

    @staticmethod
    def all(root: Path) -> "list[AuditFolder]":
        """Every audit, oldest first."""
        found = [AuditFolder(path) for path in root.iterdir()] if root.is_dir() else []
        return sorted((each for each in found if each.exists()), key=lambda each: each.state.created_at)

    def exists(self) -> bool:
        """Whether it has been submitted, and its state can be read."""
        try:
            _ = self.state
        except FileNotFoundError:
            return False
        except (OSError, ValidationError) as error:
            _log.warning("the audit in %s is left out: its state can't be read: %s", self.path, error)
            return False
        return True

    @property
    def id(self) -> str:
        """The audit's id."""
        return self.path.name

    @property
    def state(self) -> AuditState:
        """The state last written."""
        return AuditState.model_validate_json(self._state.read_bytes())

    @property
    def options(self) -> AuditOptions:
        """What the caller chose."""
        return AuditOptions.model_validate_json(self._options.read_bytes())

    @property
    def labels(self) -> Path:
        """The uploaded label file, named ``labels`` with the suffix of its format."""
        return next(path for path in self.path.iterdir() if path.stem == "labels")

    @property
    def images(self) -> Path | None:
        """The uploaded archive, where there is one."""
        return next((path for path in self.path.iterdir() if path.name.split(".")[0] == "images"), None)

    def submit(self, options: AuditOptions, model: str) -> AuditState:
        """Make the folder an audit that waits to be run."""
        self._options.write_text(options.model_dump_json())
        return self.save(AuditState(id=self.id, created_at=datetime.now(UTC), model=model))

    def save(self, state: AuditState) -> AuditState:
        """Write the state."""
        aside = self._state.with_suffix(".part")
        with aside.open("w") as file:
            file.write(state.model_dump_json())
            file.flush()
            os.fsync(file.fileno())  # else a power cut can leave an empty file under the final name
        aside.replace(self._state)
        return state
