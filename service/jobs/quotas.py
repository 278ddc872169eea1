"""How many audits may wait, and how much of uploads may be kept."""

from dataclasses import dataclass
from typing import NamedTuple

from models.errors import LookalikeError


class QuotaError(LookalikeError):
    """There is as much already as there may be."""


class Incoming(NamedTuple):
    """An upload that is no audit yet."""

    owner: str
    size: int
    """Bytes: those that came, or before that those that were announced."""


@dataclass(frozen=True)
class Quota:
    """Limits, of one owner or of all together; 0: none."""

    audits: int = 0
    """That wait or run."""
    size: int = 0
    """Bytes of the uploads that are kept."""

    def check(self, audits: int, size: int, whose: str = "") -> None:
        """Raise ``QuotaError`` where so many, with what comes in, are too many."""
        if self.audits and audits > self.audits:
            raise QuotaError(
                f"{self.audits} audits{whose} wait or run already, or are coming in; wait until one has ended, or "
                "cancel one"
            )
        if self.size and size > self.size:
            raise QuotaError(
                f"with this one the audits{whose} have {size:,} bytes of uploads, more than {self.size:,}: delete some "
                "that you no longer need"
            )


@dataclass(frozen=True)
class Quotas:
    """What holds for all together, and for each owner."""

    together: Quota = Quota()
    each: Quota = Quota()


UNLIMITED = Quotas()
