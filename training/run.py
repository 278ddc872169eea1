"""The run folder: all that is needed to repeat, evaluate and export a run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load_file, save
from torch import nn

from models.confidence_labels import ConfidenceLabels
from models.errors import LookalikeError
from models.groups import SimilarityGroups
from models.preprocessing import InputSpec
from training.checkpoint import load_checkpoint, write_whole
from training.data import DataSet
from training.data.source import DataSource
from training.losses import LossName
from training.networks import make_network
from training.normalisation import Normalisation
from training.recipe import Recipe
from training.state import Figures
from training.training_set import Protocol, TrainingLabels

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
LABELS = "training_labels.npz"
METRICS = "metrics.jsonl"
CHECKPOINT = "checkpoint.pt"

LIBRARIES = ("torch", "torchvision", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu")


class RunError(LookalikeError):
    """The run folder can't be used; the message names the file."""


class RunConfig(BaseModel):
    """Everything that determines a run; ``config.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_set: str
    source: DataSource = DataSource()
    classes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    """The similarity group of each class, in class order."""
    input: InputSpec
    confidence_labels: ConfidenceLabels
    labels_from: str = "groups"
    """What the confidence labels were made of, in words, with numbers where they are estimated."""
    labels_sha256: str = ""
    """Of ``training_labels.npz``, what it holds: given labels, trust, what was said before. Empty in old runs."""
    noise: str
    protocol: Protocol
    trusted: int
    loss: LossName
    relaxation: str = "l2"
    """In the form of the command's ``--relaxation``."""
    recipe: Recipe
    pixel_mean: tuple[float, ...]
    """Mean of the training pixels, in [0, 255]: of each channel, or one for all."""
    pixel_std: tuple[float, ...]
    weights: str | None = None
    """What the network started from: ``imagenet``, or a file."""
    seed: int
    commit: str
    libraries: dict[str, str]

    @property
    def similarity_groups(self) -> SimilarityGroups:
        """The groups as a membership matrix."""
        return SimilarityGroups.from_members(self.classes, self.groups)

    @property
    def normalisation(self) -> Normalisation:
        """Pixels to what the network takes in."""
        return Normalisation(self.pixel_mean, self.pixel_std)


@dataclass(frozen=True)
class Run:
    """A run folder."""

    path: Path

    def open(self, config: RunConfig, labels: TrainingLabels, *, resume: bool = False) -> None:
        """Create the folder with its configuration and labels, or with ``resume`` go on with the run that it holds.

        Raises ``RunError`` for a folder that holds a run which is not to be resumed, is finished, or was made by other
        choices.
        """
        if not self.is_begun:
            self.path.mkdir(parents=True, exist_ok=True)
            labels.save(self.path / LABELS)
            write_whole(self.path / CONFIG, config.model_dump_json(indent=2).encode())
            return
        if not resume:
            raise RunError(f"{self.path} holds a run already; go on with it by --resume, or give another --out")
        if (self.path / WEIGHTS).exists():
            raise RunError(f"the run in {self.path} is finished; there is nothing to resume")
        before = self.config
        others = [
            name
            for name in RunConfig.model_fields
            if name not in {"commit", "libraries"} and getattr(before, name) != getattr(config, name)
        ]
        if others:
            raise RunError(f"the run in {self.path} has another {' and '.join(others)}: resume it by its own options")
        self.log(self.epochs)

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds a run."""
        return (self.path / CONFIG).exists()

    @property
    def epochs(self) -> list[Figures]:
        """The figures of the epochs that a run which has not finished has behind it, by its checkpoint."""
        if not self.checkpoint.exists():
            return []
        epochs: list[Figures] = load_checkpoint(self.checkpoint)["epochs"]
        return epochs

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

    @property
    def checkpoint(self) -> Path:
        """The file that a run which has not finished goes on from."""
        return self.path / CHECKPOINT

    def log(self, epochs: Sequence[Mapping[str, Any]]) -> None:
        """Write the figures of all epochs so far, a line each."""
        write_whole(self.path / METRICS, "".join(json.dumps(each) + "\n" for each in epochs).encode())

    def finish(self, network: nn.Module) -> None:
        """Write the weights, whole or not at all; then nothing is left to go on from."""
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_whole(self.path / WEIGHTS, save(weights))
        self.checkpoint.unlink(missing_ok=True)

    def load_data(self, folder: Path | None = None) -> DataSet:
        """Find the data set again that the run learnt from, with the run's groups; in ``folder`` if it has moved."""
        config = self.config
        source = config.source if folder is None else config.source.model_copy(update={"folder": folder})
        data = source.load()
        if data.classes != config.classes:
            raise RunError(f"{self.path}: the data at {source.folder} have other classes than when the run was made")
        return replace(data, groups=config.similarity_groups)

    def load(self) -> nn.Module:
        """Rebuild the trained network, in evaluation mode, on the CPU."""
        config = self.config
        network = make_network(config.recipe.network, channels=config.input.channels, classes=len(config.classes))
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
