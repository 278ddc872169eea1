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


class Imported(_Part):
    """Where a graph that was made elsewhere comes from, and how it was wrapped."""

    file: str
    sha256: Sha256
    producer: str
    """As the file says, for instance ``pytorch 2.14.1``."""
    opset: int
    input_type: Literal["float32", "float16", "uint8"]
    layout: Literal["nchw", "nhwc"]
    mean: tuple[float, ...]
    """Taken from each channel's values in 0..1 before they are divided by ``std``; empty for a graph of bytes."""
    std: tuple[float, ...]
    logits: str | None
    """The tensor of the original graph that gives the logits; null for an encoder."""
    embedding: str
    """The tensor of the original graph that gives the embedding."""
    libraries: dict[str, str]


class Quantization(_Part):
    """How a graph in float32 became one of fewer bits, and what it measured before."""

    scheme: str
    """``int8, static, per channel``, or ``float16``."""
    source: str | None
    """The images on which the ranges of activations were measured, in words; null for float16, which needs none."""
    n: int | None = Field(gt=0)
    """How many they were."""
    made_from: str | None
    """The version that it was made from, ``NAME@VERSION``; null: a training run."""
    float_sha256: Sha256
    """Of the graph in float32."""
    float_metrics: dict[str, float]
    """The same figures as the manifest's ``metrics``, of the graph in float32, calibrated on the same samples."""
    libraries: dict[str, str]


class Manifest(_Part):
    """Contents of ``manifest.json``; ``docs/artifact.md`` describes every field.

    Version 2 of the schema adds imported models, which may lack what only training or calibration can tell; version 3
    embedding statistics of directions and lengths, and quantised graphs.
    """

    schema_version: Literal[1, 2, 3] = 3
    name: ModelName
    version: ModelVersion
    classes: tuple[str, ...]
    """At least two, or none: an encoder, whose graph has no ``logits``."""
    input: InputSpec
    embedding_size: int = Field(gt=0)
    groups: tuple[tuple[str, ...], ...]
    """The similarity group of each class, in class order."""
    confidence_labels: ConfidenceLabels | None
    """What it learnt from; null where that is not known."""
    calibration: Calibration | None
    """Null: its probabilities are the softmax of its logits, and nobody has checked them."""
    provenance: Provenance | None = None
    """Of a model that was trained here."""
    imported: Imported | None = None
    """Of a model that was not."""
    quantization: Quantization | None = None
    """Of a graph that computes in integers or float16."""
    metrics: dict[str, float]
    """Figures on the test split, and under ``validation_*`` on the calibration samples."""
    files: dict[str, Sha256]
    """sha256 of every other file of the version's folder but the card."""

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("class names must be unique")
        if len(classes) == 1:
            raise ValueError("a classifier has at least two classes, an encoder none")
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
        if self.confidence_labels is not None and self.confidence_labels.classes != self.classes:
            raise ValueError("confidence_labels are for other classes than the model's")
        if self.calibration is not None:
            if self.temperature.group != self.temperature.within and not self.similarity_groups.is_partition:
                raise ValueError("calibration.temperature: two temperatures need groups that partition the classes")
            if len(self.calibration.confusion) != size or any(len(row) != size for row in self.calibration.confusion):
                raise ValueError(f"calibration.confusion must be {size} x {size}")
            if self.is_encoder:
                raise ValueError("calibration: an encoder has no probabilities that could be calibrated")
        if (self.provenance is None) == (self.imported is None):
            raise ValueError("a model has either provenance (it was trained here) or imported (it was not)")
        if self.provenance is not None and self.confidence_labels is None:
            raise ValueError("a model that was trained here has confidence_labels")
        missing = self._needed() - self.files.keys()
        if missing:
            raise ValueError(f"files lacks {sorted(missing)}")
        return self

    def _needed(self) -> set[str]:
        statistics = set() if self.calibration is None else {EMBEDDING_STATISTICS}
        return {GRAPH} | statistics | (set() if self.provenance is None else {TRAINING_PIXELS})

    @property
    def is_encoder(self) -> bool:
        """Whether it only embeds images: it knows no classes."""
        return not self.classes

    @property
    def temperature(self) -> Temperature:
        """What logits are divided by: 1 where the model is not calibrated."""
        return Temperature.single(1.0) if self.calibration is None else self.calibration.temperature

    @cached_property
    def similarity_groups(self) -> SimilarityGroups:
        """The groups as a membership matrix."""
        return SimilarityGroups.from_members(self.classes, self.groups)

    @property
    def validation_counts(self) -> NDArray[np.int64] | None:
        """Confusion counts ``[true, predicted]`` on the calibration samples, ``[K, K]``; None without calibration."""
        return None if self.calibration is None else np.array(self.calibration.confusion, dtype=np.int64)
