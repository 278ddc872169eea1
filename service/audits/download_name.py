"""What an audit's files are called where they are saved: by its name and the day of its upload."""

import re
import unicodedata

from service.jobs.audit_state import AuditState

_LONGEST = 80


def download_name(state: AuditState) -> str:
    """A name that any system can save, without an ending: letters, digits and hyphens; the id for want of a name."""
    plain = unicodedata.normalize("NFKD", state.name or "").encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9]+", "-", plain)[:_LONGEST].strip("-")
    return f"{name or state.id}-{state.created_at:%Y-%m-%d}"
