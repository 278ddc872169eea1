"""What a caller can choose about an audit."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.errors import LookalikeError

EvidenceChoice = Literal["auto", "reference", "cross_validated"]


class AuditError(LookalikeError):
    """The upload as a whole can't be audited; the message says why."""


class AuditOptions(BaseModel):
    """What a caller can choose, by the names of the command's options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    """``NAME`` or ``NAME@VERSION``; default: the only model there is."""
    evidence: EvidenceChoice = "auto"
    label_column: str | None = None
    """Default: what ``labels.columns`` finds."""
    image_column: str | None = None
    groups: str | None = None
    """Content of a groups file; default: the model's own groups, or groups discovered from the data."""
    probabilities: bool = False
    """Whether the rows carry the model's probabilities as ``model_prob_<class>``."""
