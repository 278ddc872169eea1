"""Remove an audit: from the ledger first, then its files, so that nobody finds half of one."""

import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from service.jobs.ledger import Ledger


def remove(ledger: Ledger, root: Path, audit_id: str) -> None:
    """Forget an audit and remove its files; raises ``AuditNotFoundError``."""
    ledger.delete(audit_id)
    with suppress(FileNotFoundError):
        gone = root / f".removed-{audit_id}-{secrets.token_hex(4)}"
        (root / audit_id).rename(gone)  # a worker that is still at it finds no folder to write into
        shutil.rmtree(gone, ignore_errors=True)
