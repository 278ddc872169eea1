"""What is in ``report.json``, the data-set answer; ``docs/audit.md`` says what it means."""

from typing_extensions import TypedDict

from audit.asymmetry import Verdict
from audit.report import EvidenceKind


class Interval(TypedDict):
    """An estimate and its 95 % interval."""

    estimate: float
    low: float
    high: float


class Asymmetry(TypedDict):
    """Whether labels flip inside the groups more than symmetric noise explains."""

    verdict: Verdict
    excess: Interval


class ImageDependent(TypedDict):
    """The share of the wrong labels that gather on hard images."""

    share: float
    low: float
    high: float


class Transition(TypedDict):
    """Who is mistaken for whom: rows are true classes, columns given ones."""

    classes: list[str]
    counts: list[list[float]]
    rates: list[list[float]]


class Budget(TypedDict):
    """The share of wrong labels expected among so many rows from the top."""

    budget: int
    precision: float


ClassReport = TypedDict("ClassReport", {"class": str, "rows": int, "flagged": int, "noise_rate": float | None})
ClassReport.__doc__ = "The labels of one class."


class GroupReport(TypedDict):
    """The labels of one similarity group."""

    classes: list[str]
    rows: int
    flagged: int
    noise_rate: float | None
    confusable_rate: float | None


class Clusters(TypedDict):
    """Clusters of images, and the rows in them."""

    clusters: int
    rows: int


class Duplicates(TypedDict):
    """Images that are equal, nearly so, and those among them whose labels differ."""

    exact: Clusters
    near: Clusters
    conflicting: Clusters


class Columns(TypedDict):
    """Where labels and images were found in the file."""

    label: str
    image: str | None


class AuditModel(TypedDict):
    """The model that looked at the images."""

    name: str
    version: str


class Report(TypedDict):
    """The answer for the data set as a whole."""

    rows: int
    scored: int
    evidence: EvidenceKind
    flagged: int
    noise_rate: Interval
    asymmetry: Asymmetry
    image_dependent: ImageDependent
    transition: Transition
    expected_precision: list[Budget]
    warnings: list[str]
    groups: list[list[str]]
    per_class: list[ClassReport]
    per_group: list[GroupReport]
    columns: Columns
    outliers: int
    duplicates: Duplicates
    model: AuditModel | None
