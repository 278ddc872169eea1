"""An audit's files: ``<data>/audits/<id>/`` with the upload, the options, what the steps leave, and the answers."""

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from service.audits.steps.files import aside
from service.audits.steps.options import AuditOptions
from service.audits.steps.plan import Source

_ID = re.compile(r"[0-9a-f]{16}")


class AuditFolder:
    """The files of one audit. Where it stands is in the ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._options = path / "options.json"
        self._called = path / "called.json"

    @classmethod
    def create(cls, root: Path) -> "AuditFolder":
        """Make a folder with a fresh id. It is an audit when the ledger knows it."""
        folder = cls(root / secrets.token_hex(8))
        folder.path.mkdir(parents=True)
        return folder

    @staticmethod
    def is_id(text: str) -> bool:
        """Whether a text from outside could be the id of an audit, and nothing else."""
        return _ID.fullmatch(text) is not None

    @property
    def id(self) -> str:
        """The audit's id."""
        return self.path.name

    @property
    def options(self) -> AuditOptions:
        """What the caller chose."""
        return AuditOptions.model_validate_json(self._options.read_bytes())

    @property
    def labels(self) -> Path | None:
        """The uploaded label file, named ``labels`` with the suffix of its format, where there is one."""
        return next((path for path in self.path.iterdir() if path.stem == "labels"), None)

    @property
    def images(self) -> Path | None:
        """The uploaded archive, where there is one."""
        return next((path for path in self.path.iterdir() if path.name.split(".")[0] == "images"), None)

    @property
    def size(self) -> int:
        """Bytes of the files directly in it: those of the upload, before anything is run."""
        return sum(path.stat().st_size for path in self.path.iterdir() if path.is_file())

    def save_options(self, options: AuditOptions) -> None:
        """Keep what the caller chose."""
        with aside(self._options) as part:
            part.write_text(options.model_dump_json())

    def save_names(self, called: Mapping[str, str]) -> None:
        """Keep what the caller calls the uploaded files, by the names that they have here."""
        with aside(self._called) as part:
            part.write_text(json.dumps(called))

    def in_callers_words(self, message: str) -> str:
        """A message about an uploaded file, by the name that the caller knows it by."""
        if self._called.exists():
            names: dict[str, str] = json.loads(self._called.read_bytes())
            for name, called in names.items():
                if message.startswith(name):
                    return called + message.removeprefix(name)
        return message

    def source(self) -> Source:
        """What was uploaded, for the steps."""
        return Source(self.labels, self.images, self.options)
