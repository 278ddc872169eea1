"""Put a run together: data, noise, confidence labels, network, loss; then train it."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from models.confidence_labels import ConfidenceLabels
from models.errors import LookalikeError
from training.board import Board
from training.data import DataSet
from training.data.pictures import FilePictures, Pictures, subset
from training.data.source import DataSource
from training.devices import make_fabric
from training.feeds import make_feed
from training.loop import train
from training.losses import LossName, make_loss
from training.losses.relaxed_targets import L2, Relaxation
from training.networks import NetworkSpec, make_network
from training.noise import Noise
from training.noisy_head import see_noise
from training.normalisation import Normalisation
from training.objective import Objective, choose_objective
from training.pretrained import IMAGENET_MEAN, IMAGENET_STD, start_from
from training.recipe import Recipe
from training.run import Run, RunConfig, library_versions
from training.state import Figures
from training.training_set import Protocol, TrainingLabels
from training.transition_noise import TransitionNoise
from training.watch import Watch


@dataclass(frozen=True)
class RunChoices:
    """What a caller decides about a run, beside the recipe."""

    noise: Noise | TransitionNoise
    trusted: int
    protocol: Protocol
    loss: LossName | None
    """None: the recipe's."""
    confidence_labels: ConfidenceLabels | None
    """None: made as ``choose_objective`` says."""
    seed: int
    relaxation: Relaxation = L2
    weights: str | None = None
    """What to start from: ``imagenet``, or a file; None: random weights."""
    source: DataSource = field(default_factory=DataSource)
    """Where the data set is from, to find it again."""
    compiled: bool = False
    """Whether to try torch's compiler."""


class RunChoicesError(LookalikeError):
    """The choices don't go together; the message says which."""


def train_run(
    run: Run, data: DataSet, recipe: Recipe, choices: RunChoices, *, fabric: Fabric | None = None, resume: bool = False
) -> Iterator[Figures]:
    """Train into a run folder; yields the figures of each epoch.

    ``validation_loss`` and ``_accuracy`` are among them where there are held-out samples. They are for watching only:
    nothing is chosen by them. Without a fabric it runs on the GPU if there is one. With ``resume`` a run that is in the
    folder already, made by the same choices, goes on where it stopped.
    """
    fabric = fabric or make_fabric()
    rng = np.random.default_rng(choices.seed)
    labels = _labels(data, choices, rng)
    watched = {}
    if data.split.validation.size:
        watched["validation"] = (subset(data.images, data.split.validation), data.labels[data.split.validation])
    if recipe.early_stop is not None:
        labels, held_out = labels.hold_out(recipe.early_stop.share, rng)
        watched["held_out"] = (subset(data.images, held_out.index), held_out.given)
    pictures = subset(data.images, labels.index)
    mean, std = mean_and_std(pictures, recipe.network, choices.weights)

    def noisy_head() -> NDArray[np.floating]:
        return see_noise(
            pictures,
            labels,
            recipe,
            channels=data.input.channels,
            classes=len(data.classes),
            normalisation=Normalisation(mean, std),
            fabric=fabric,
            seed=choices.seed,
        )

    objective = (_estimated_before(run, choices) if resume else None) or choose_objective(
        choices.loss, choices.confidence_labels, recipe, data, labels, noisy_head
    )
    config = RunConfig(
        data_set=data.name,
        source=choices.source,
        classes=data.classes,
        groups=data.groups.members(),
        input=data.input,
        confidence_labels=objective.confidence_labels,
        labels_from=objective.labels_from,
        labels_sha256=labels.sha256,
        noise=str(choices.noise) if data.trust is None else AS_GIVEN,
        protocol=choices.protocol,
        trusted=choices.trusted if data.trust is None else int(labels.trusted.sum()),
        loss=objective.loss,
        relaxation=str(choices.relaxation),
        recipe=recipe,
        pixel_mean=mean,
        pixel_std=std,
        weights=choices.weights,
        seed=choices.seed,
        commit=commit(),
        libraries=library_versions(),
    )
    torch.manual_seed(choices.seed)
    network = make_network(recipe.network, channels=data.input.channels, classes=len(data.classes))
    if choices.weights is not None:
        start_from(network, recipe.network, choices.weights)
    if fabric.is_global_zero:
        run.open(config, labels, resume=resume)
    fabric.barrier()
    epochs = run.epochs
    with Board(run.path / "tensorboard", shown=fabric.is_global_zero, after=len(epochs)) as board:
        for figures in train(
            network,
            make_loss(objective.loss, objective.confidence_labels, choices.relaxation),
            make_feed(pictures, recipe.crop_area, fabric.device),
            labels,
            recipe,
            normalisation=config.normalisation,
            generator=torch.Generator().manual_seed(choices.seed),
            fabric=fabric,
            evaluate=Watch(watched, config.normalisation, fabric.device),
            checkpoint=run.checkpoint,
            compile_for=(data.input.channels, data.input.height, data.input.width) if choices.compiled else None,
        ):
            epochs.append(figures)
            if fabric.is_global_zero:
                run.log(epochs)
                board.add(figures)
            yield figures
    if fabric.is_global_zero:
        run.finish(network)
    fabric.barrier()


AS_GIVEN = "as given"
"""The noise of labels that came as they are."""
_STATISTICS_OF = 2000
"""Pictures of a data set that is not in memory whose pixels give mean and deviation."""


def _estimated_before(run: Run, choices: RunChoices) -> Objective | None:
    """The estimate that a run was begun with, if it goes on: a network that learns the noise again may see it anew."""
    if choices.confidence_labels is not None or not run.is_begun:
        return None
    begun = run.config
    estimated = begun.labels_from not in {"groups", "a file"} and choices.loss in {None, begun.loss}
    return Objective(begun.loss, begun.confidence_labels, begun.labels_from) if estimated else None


def _labels(data: DataSet, choices: RunChoices, rng: np.random.Generator) -> TrainingLabels:
    index = data.split.training
    if data.trust is not None:
        if str(choices.noise) != "none" or choices.trusted:
            raise RunChoicesError(
                f"the labels of {data.name} are taken as they are: leave out --noise and --trusted, and mark verified "
                "rows in the column `trusted`"
            )
        return TrainingLabels(index, data.labels[index], data.trust.trusted[index], data.trust.original[index])
    return TrainingLabels.draw(
        index,
        data.labels[index],
        data.groups,
        noise=choices.noise,
        trusted=choices.trusted,
        protocol=choices.protocol,
        rng=rng,
    )


def mean_and_std(
    pictures: Pictures, network: NetworkSpec, weights: str | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of all channels together; ImageNet's of each channel where a network of torchvision starts from weights."""
    if weights is not None and network.kind != "small" and pictures[:1].shape[3] == len(IMAGENET_MEAN):
        return IMAGENET_MEAN, IMAGENET_STD
    if isinstance(pictures, FilePictures):
        pictures = pictures[np.linspace(0, len(pictures) - 1, min(len(pictures), _STATISTICS_OF), dtype=np.int64)]
    return (float(pictures.mean()),), (float(pictures.std()),)


def commit() -> str:
    """The commit of this code, or ``unknown``."""
    try:
        git = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git the person uses
            cwd=Path(__file__).parent,  # this project's commit, wherever the command is called from
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return git.stdout.strip()
