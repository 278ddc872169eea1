"""The run folder: all that is needed to repeat, evaluate and export a run."""

import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load_file, save_file

from models.confidence_labels import ConfidenceLabels
from models.errors import LookalikeError
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec
from training.losses import LossName
from training.networks import ResNet
from training.recipe import Recipe
from training.training_set import Protocol, TrainingLabels

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
LABELS = "training_labels.npz"
METRICS = "metrics.jsonl"

LIBRARIES = ("torch", "torchvision", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu")


class RunError(LookalikeError):
    """The run folder can't be used; the message names the file."""


class RunConfig(BaseModel):
    """Everything that determines a run; ``config.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_set: str
    classes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    """The similarity group of each class, in class order."""
    input: InputSpec
    confidence_labels: ConfidenceLabels
    noise: str
    protocol: Protocol
    trusted: int
    loss: LossName
    relaxation: str = "l2"
    """In the form of the command's ``--relaxation``."""
    recipe: Recipe
    pixel_mean: float
    """Mean of the training pixels, in [0, 255]."""
    pixel_std: float
    seed: int
    commit: str
    libraries: dict[str, str]

    @property
    def similarity_groups(self) -> SimilarityGroups:
        """The groups as a membership matrix."""
        return SimilarityGroups.from_members(self.classes, self.groups)


@dataclass(frozen=True)
class Run:
    """A run folder."""

    path: Path

    def create(self, config: RunConfig, labels: TrainingLabels) -> None:
        """Create the folder with its configuration and labels; refuses a folder that holds another run."""
        if (self.path / CONFIG).exists():
            raise RunError(f"{self.path} holds a run already; give another --out, or remove it")
        self.path.mkdir(parents=True, exist_ok=True)
        labels.save(self.path / LABELS)
        _write(self.path / CONFIG, config.model_dump_json(indent=2).encode())

    @property
    def config(self) -> RunConfig:
        """The configuration that the run was started with."""
        try:
            return RunConfig.model_validate_json((self.path / CONFIG).read_bytes())
        except OSError as error:
            raise RunError(f"{self.path} is no run folder: {CONFIG}: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RunError(f"{self.path / CONFIG}: {where or 'document'}: {first['msg']}") from error

    @property
    def labels(self) -> TrainingLabels:
        """The labels that the run learnt from."""
        return TrainingLabels.load(self.path / LABELS)

    def log(self, **metrics: Any) -> None:
        """Append a line of metrics."""
        with (self.path / METRICS).open("a") as file:
            file.write(json.dumps(metrics) + "\n")

    def save(self, network: ResNet) -> None:
        """Write the weights, whole or not at all."""
        aside = self.path / f"{WEIGHTS}.part"
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, aside)
        aside.replace(self.path / WEIGHTS)

    def load(self) -> ResNet:
        """Rebuild the trained network, in evaluation mode, on the CPU."""
        config = self.config
        network = ResNet(config.recipe.network, channels=config.input.channels, classes=len(config.classes))
        try:
            network.load_state_dict(load_file(self.path / WEIGHTS))
        except FileNotFoundError as error:
            raise RunError(f"{self.path} has no {WEIGHTS}: the run did not finish") from error
        return network.eval()


def library_versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(f"{path.name}.part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
