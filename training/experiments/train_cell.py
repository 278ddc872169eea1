"""Train one cell of a table and measure it."""

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.metrics import evaluate
from training.data import DataSet
from training.devices import make_fabric
from training.experiments.cells import Cell, Result
from training.experiments.methods import Method
from training.experiments.trusted_head import fit_trusted_head
from training.feeds import ResidentImages
from training.loop import train
from training.networks import ResNet
from training.noise import Noise
from training.normalisation import Normalisation
from training.recipe import Recipe
from training.train_run import commit
from training.training_set import TrainingLabels

_BATCH = 1000

Predict = Callable[[nn.Module, Tensor], Tensor]
"""Network and normalised images ``[N, C, H, W]`` to logits ``[N, K]``."""


def train_cell(cell: Cell, method: Method, data: DataSet, recipe: Recipe, recipe_name: str) -> Result:
    """Train on the training and reserve parts of a data set, watch on its validation part, report on its test split.

    What is drawn and the weights' first values depend on the cell's seed alone.
    """
    index = np.sort(np.concatenate([data.split.training, data.split.reserve]))
    truth = data.labels[index]
    labels = TrainingLabels.draw(
        index,
        truth,
        data.groups,
        noise=Noise.parse(cell.noise),
        trusted=cell.trusted,
        protocol=cell.protocol,
        rng=np.random.default_rng(cell.seed),
    )
    lesson = method(labels, truth, data.groups, recipe)
    pixels = data.images[index]
    normalisation, fabric = Normalisation.of(pixels), make_fabric("cpu")

    def prepared(images: NDArray[np.uint8]) -> Tensor:
        prepared: Tensor = normalisation(torch.from_numpy(images).permute(0, 3, 1, 2))
        return prepared

    learnt_from = data.images[lesson.labels.index]
    images = prepared(learnt_from)
    held_out, test = prepared(data.images[data.split.validation]), prepared(data.test_images[:])
    truths = data.labels[data.split.validation], data.test_labels
    groups = torch.from_numpy(data.groups.membership)

    def measure(network: nn.Module) -> dict[str, float]:
        network.eval()
        predict: Predict = logits
        if lesson.head_on_trusted:
            predict = fit_trusted_head(network, images, lesson.labels, groups, seed=cell.seed)
        figures: dict[str, float] = {}
        for name, part, true in zip(("held_out", "test"), (held_out, test), truths, strict=True):
            with torch.inference_mode():
                outputs = torch.cat([predict(network, each) for each in torch.split(part, _BATCH)])
            measured = evaluate(outputs.softmax(dim=1).numpy(), true, data.groups)
            figures |= {f"{name}_{figure}": round(value, 5) for figure, value in measured.items()}
        return figures

    torch.manual_seed(cell.seed)
    network = ResNet(lesson.recipe.network, channels=data.input.channels, classes=len(data.classes))
    started = time.perf_counter()
    curve = list(
        train(
            network,
            lesson.loss,
            ResidentImages(learnt_from, fabric.device),
            lesson.labels,
            lesson.recipe,
            normalisation=normalisation,
            generator=torch.Generator().manual_seed(cell.seed),
            fabric=fabric,
            evaluate=measure,
        )
    )
    best = max(curve, key=lambda epoch: epoch["held_out_accuracy"])
    last = curve[-1]
    return Result(
        cell,
        last=last["test_accuracy"],
        picked=best["test_accuracy"],
        best=max(epoch["test_accuracy"] for epoch in curve),
        group_accuracy=last["test_group_accuracy"],
        ece=last["test_ece"],
        held_out=last["held_out_accuracy"],
        seconds=round(time.perf_counter() - started, 1),
        recipe=recipe_name,
        commit=commit(),
        curve=[{name: round(value, 5) for name, value in epoch.items()} for epoch in curve],
        notes=lesson.notes,
    )


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """The network's own."""
    outputs: Tensor = network(images)[0]
    return outputs
