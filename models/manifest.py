"""The manifest of a model artifact: everything about a model that is not in its graph."""

from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from models.confidence_labels import ConfidenceLabels
from models.conformal import ConformalQuantiles
from models.distribution import Temperature
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ModelVersion = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

GRAPH = "model.onnx"
MANIFEST = "manifest.json"
CARD = "README.md"
EMBEDDING_STATISTICS = "embedding.npz"
TRAINING_PIXELS = "training_pixels.bin"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calibration(_Part):
    """What was fitted on held-out samples with clean labels, and on which."""

    source: str
    """The samples, in words; for instance ``Fashion-MNIST training split, 10,000 held out``."""
    n: int = Field(gt=0)
    temperature: Temperature
    confusion: tuple[tuple[int, ...], ...]
    """Counts ``[true, predicted]``."""
    conformal: ConformalQuantiles


class Provenance(_Part):
    """How the model came to be, closely enough to make it again."""

    data_set: str
    training_samples: int
    trusted_samples: int
    noise: str
    """In the form of the command's ``--noise``, for instance ``asymmetric:0.4``."""
    protocol: Literal["paper", "verified"]
    loss: str
    clamp: bool
    """Whether the projective loss is cut off at zero, as in the paper (eqs. 4 and 6)."""
    relaxation: str
    recipe: dict[str, JsonValue]
    seed: int
    commit: str
    libraries: dict[str, str]


class Manifest(_Part):
    """Contents of ``manifest.json``; ``docs/artifact.md`` describes every field."""

    schema_version: Literal[1] = 1
    name: ModelName
    version: ModelVersion
    classes: tuple[str, ...] = Field(min_length=2)
    input: InputSpec
    embedding_size: int = Field(gt=0)
    groups: tuple[tuple[str, ...], ...]
    """The similarity group of each class, in class order."""
    confidence_labels: ConfidenceLabels
    calibration: Calibration
    provenance: Provenance
    metrics: dict[str, float]
    """Figures on the test split, and under ``validation_*`` on the calibration samples."""
    files: dict[str, Sha256]
    """sha256 of every other file of the version's folder but the card."""

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("class names must be unique")
        return classes

    @field_validator("groups")
    @classmethod
    def _groups_fit(cls, groups: tuple[tuple[str, ...], ...], info: ValidationInfo) -> tuple[tuple[str, ...], ...]:
        if "classes" in info.data:
            SimilarityGroups.from_members(info.data["classes"], groups)
        return groups

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        size = len(self.classes)
        if self.confidence_labels.classes != self.classes:
            raise ValueError("confidence_labels are for other classes than the model's")
        temperature = self.calibration.temperature
        if temperature.group != temperature.within and not self.similarity_groups.is_partition:
            raise ValueError("calibration.temperature: two temperatures need groups that partition the classes")
        if len(self.calibration.confusion) != size or any(len(row) != size for row in self.calibration.confusion):
            raise ValueError(f"calibration.confusion must be {size} x {size}")
        missing = {GRAPH, EMBEDDING_STATISTICS, TRAINING_PIXELS} - self.files.keys()
        if missing:
            raise ValueError(f"files lacks {sorted(missing)}")
        return self

    @cached_property
    def similarity_groups(self) -> SimilarityGroups:
        """The groups as a membership matrix."""
        return SimilarityGroups.from_members(self.classes, self.groups)

    @property
    def validation_counts(self) -> NDArray[np.int64]:
        """Confusion counts ``[true, predicted]`` on the calibration samples, ``[K, K]``."""
        return np.array(self.calibration.confusion, dtype=np.int64)
