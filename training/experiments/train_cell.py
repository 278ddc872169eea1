"""Train one cell of a table and measure it."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.metrics import evaluate
from training.data import DataSet
from training.data.pictures import Pictures, subset
from training.devices import make_fabric
from training.experiments.cells import Cell, Result
from training.experiments.errors import ExperimentError
from training.experiments.fine_tuning import seen_by_label
from training.experiments.methods import Lesson, Method
from training.experiments.trusted_head import fit_trusted_head
from training.feeds import make_feed
from training.loop import train
from training.networks import make_network
from training.noise import Noise
from training.normalisation import Normalisation
from training.pretrained import start_from
from training.recipe import Recipe
from training.state import Figures
from training.train_run import commit, mean_and_std
from training.training_set import TrainingLabels

_BATCH = 1000
_WATCHED = 5000
"""Training samples whose given labels are compared with what the network says."""

Predict = Callable[[nn.Module, Tensor], Tensor]
"""Network and normalised images ``[N, C, H, W]`` to logits ``[N, K]``."""


def train_cell(
    cell: Cell,
    method: Method,
    data: DataSet,
    recipe: Recipe,
    recipe_name: str,
    fabric: Fabric | None = None,
    *,
    weights: str | None = None,
) -> tuple[Result, nn.Sequential]:
    """Train on the training and reserve parts of a data set, watch on its validation part, report on its test split.

    What is drawn and the weights' first values depend on the cell's seed alone; with ``weights`` they are those of
    ``start_from``. Without a fabric it runs on the CPU. Returns the network, too, from bytes ``[N, C, H, W]`` on.
    """
    fabric = fabric or make_fabric("cpu")
    for part, size in (("validation", len(data.split.validation)), ("test", len(data.test_labels))):
        if not size:
            raise ExperimentError(f"{data.name} has no {part} images: a table needs some to measure on")
    labels = _labels(cell, data)
    lesson = method(labels, data, recipe)
    pictures = subset(data.images, lesson.labels.index)
    mean, std = mean_and_std(subset(data.images, labels.index), lesson.recipe.network, weights)
    normalisation = Normalisation(mean, std).to(fabric.device)

    def inputs(part: Pictures) -> Iterator[Tensor]:
        for start in range(0, len(part), _BATCH):
            images = torch.from_numpy(part[start : start + _BATCH]).to(fabric.device)
            normalised: Tensor = normalisation(images.permute(0, 3, 1, 2))
            yield normalised

    watched = np.arange(min(_WATCHED, len(pictures)))
    parts = {
        "validation": (subset(data.images, data.split.validation), data.labels[data.split.validation]),
        "test": (data.test_images, data.test_labels),
        "given": (subset(pictures, watched), lesson.labels.given[watched]),
    }

    def measure(network: nn.Module) -> Figures:
        network.eval()
        predict: Predict = logits
        if lesson.head_on_trusted:
            rows = np.flatnonzero(lesson.labels.trusted)
            known = lesson.labels.given[rows]
            trusted = inputs(subset(pictures, rows))
            predict = fit_trusted_head(network, trusted, known, data.groups.membership, seed=cell.seed)
        figures: Figures = {}
        for name, (part, true) in parts.items():
            with torch.inference_mode():
                outputs = torch.cat([predict(network, batch) for batch in inputs(part)])
            measured = evaluate(outputs.softmax(dim=1).cpu().numpy(), true, data.groups)
            measured["loss"] = measured.pop("nll")  # as the loop's own figures are called
            figures |= {f"{name}_{figure}": round(value, 5) for figure, value in measured.items()}
        return figures

    torch.manual_seed(cell.seed)
    network = make_network(lesson.recipe.network, channels=data.input.channels, classes=len(data.classes))
    has_head = weights is not None and start_from(network, lesson.recipe.network, weights)
    whole = nn.Sequential(normalisation, network).to(fabric.device)
    started = time.perf_counter()
    loss = lesson.loss
    if not isinstance(loss, nn.Module):
        if not has_head:
            raise ExperimentError(f"{cell.method} asks what weights see: name some for {data.name} by --weights")
        if loss is not None:
            loss = loss(seen_by_label(whole, pictures, lesson.labels.given, len(data.classes), fabric.device))
    if loss is None:
        curve = [{"epoch": 0} | measure(network)]
    else:
        curve = list(
            train(
                network,
                loss,
                make_feed(pictures, lesson.recipe.crop_area, fabric.device),
                lesson.labels,
                lesson.recipe,
                normalisation=normalisation,
                generator=torch.Generator().manual_seed(cell.seed),
                fabric=fabric,
                evaluate=measure,
            )
        )
    seconds = time.perf_counter() - started
    return _result(cell, lesson, curve, seconds, recipe_name), whole


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """The network's own."""
    outputs: Tensor = network(images)[0]
    return outputs


def _labels(cell: Cell, data: DataSet) -> TrainingLabels:
    """Those of the training and reserve parts: with the cell's noise, or as they came."""
    index = np.sort(np.concatenate([data.split.training, data.split.reserve]))
    if data.trust is not None:
        return TrainingLabels(index, data.labels[index], data.trust.trusted[index], data.trust.original[index])
    return TrainingLabels.draw(
        index,
        data.labels[index],
        data.groups,
        noise=Noise.parse(cell.noise),
        trusted=cell.trusted,
        protocol=cell.protocol,
        rng=np.random.default_rng(cell.seed),
    )


def _result(cell: Cell, lesson: Lesson, curve: list[Figures], seconds: float, recipe_name: str) -> Result:
    picked, last = max(curve, key=lambda epoch: epoch["validation_accuracy"]), curve[-1]
    return Result(
        cell,
        last=last["test_accuracy"],
        picked=picked["test_accuracy"],
        best=max(epoch["test_accuracy"] for epoch in curve),
        group_accuracy=last["test_group_accuracy"],
        ece=last["test_ece"],
        held_out=last["validation_accuracy"],
        seconds=round(seconds, 1),
        recipe=recipe_name,
        commit=commit(),
        curve=[{name: round(value, 5) for name, value in epoch.items()} for epoch in curve],
        notes=lesson.notes,
    )
