"""Put a run together: data, noise, confidence labels, network, loss; then train it."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.confidence_labels import ConfidenceLabels, ConfidenceLabelsError, from_groups
from training.data import DataSet
from training.loop import normalise, train
from training.losses import LossName, make_loss
from training.losses.relaxed_targets import L2, Relaxation
from training.networks import ResNet
from training.noise import Noise
from training.recipe import Recipe
from training.run import Run, RunConfig, library_versions
from training.training_set import Protocol, TrainingLabels


@dataclass(frozen=True)
class RunChoices:
    """What a caller decides about a run, beside the recipe."""

    noise: Noise
    trusted: int
    protocol: Protocol
    loss: LossName
    confidence_labels: ConfidenceLabels | None
    """None: made from the data set's groups with the recipe's shares."""
    seed: int
    relaxation: Relaxation = L2


def train_run(run: Run, data: DataSet, recipe: Recipe, choices: RunChoices) -> Iterator[dict[str, float]]:
    """Train into a new run folder; yields the metrics of each epoch, validation accuracy among them.

    Validation accuracy is for watching only: nothing is chosen by it. The weights saved are the last epoch's.
    """
    index = data.split.training
    rng = np.random.default_rng(choices.seed)
    labels = TrainingLabels.draw(
        index,
        data.labels[index],
        data.groups,
        noise=choices.noise,
        trusted=choices.trusted,
        protocol=choices.protocol,
        rng=rng,
    )
    confidence_labels = choices.confidence_labels or from_groups(
        data.groups, own_untrusted=recipe.own_untrusted, own_trusted=recipe.own_trusted
    )
    if confidence_labels.classes != data.classes:
        raise ConfidenceLabelsError(f"the confidence labels must list the classes of {data.name} in its order")
    pixels = data.images[index]
    config = RunConfig(
        data_set=data.name,
        classes=data.classes,
        groups=data.groups.members(),
        input=data.input,
        confidence_labels=confidence_labels,
        noise=str(choices.noise),
        protocol=choices.protocol,
        trusted=choices.trusted,
        loss=choices.loss,
        relaxation=str(choices.relaxation),
        recipe=recipe,
        pixel_mean=float(pixels.mean()),
        pixel_std=float(pixels.std()),
        seed=choices.seed,
        commit=commit(),
        libraries=library_versions(),
    )
    run.create(config, labels)

    torch.manual_seed(choices.seed)
    generator = torch.Generator().manual_seed(choices.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = ResNet(recipe.network, channels=data.input.channels, classes=len(data.classes))
    images = normalise(torch.from_numpy(pixels), config.pixel_mean, config.pixel_std)
    held_out = normalise(torch.from_numpy(data.images[data.split.validation]), config.pixel_mean, config.pixel_std)
    truth = torch.from_numpy(data.labels[data.split.validation])
    loss = make_loss(choices.loss, confidence_labels, choices.relaxation)

    def watch(network: nn.Module) -> dict[str, float]:
        return {"validation_accuracy": _accuracy(network, held_out.to(device), truth.to(device))}

    for epoch in train(network, loss, images, labels, recipe, generator=generator, device=device, evaluate=watch):
        run.log(**epoch)
        yield epoch
    run.save(network.cpu())


def _accuracy(network: nn.Module, images: torch.Tensor, truth: torch.Tensor) -> float:
    network.eval()
    with torch.inference_mode():
        top = torch.cat([network(batch)[0].argmax(dim=1) for batch in torch.split(images, 1000)])
    return (top == truth).float().mean().item()


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
