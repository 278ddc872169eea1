"""Train one cell of a table and measure it."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from lightning_fabric import Fabric
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
from training.networks import make_network
from training.noise import Noise
from training.normalisation import Normalisation
from training.recipe import Recipe
from training.train_run import commit
from training.training_set import TrainingLabels

_BATCH = 1000
_WATCHED = 5000
"""Training samples whose given labels are compared with what the network says."""

Predict = Callable[[nn.Module, Tensor], Tensor]
"""Network and normalised images ``[N, C, H, W]`` to logits ``[N, K]``."""


def train_cell(
    cell: Cell, method: Method, data: DataSet, recipe: Recipe, recipe_name: str, fabric: Fabric | None = None
) -> Result:
    """Train on the training and reserve parts of a data set, watch on its validation part, report on its test split.

    What is drawn and the weights' first values depend on the cell's seed alone. Without a fabric it runs on the CPU.
    """
    fabric = fabric or make_fabric("cpu")
    index = np.sort(np.concatenate([data.split.training, data.split.reserve]))
    labels = TrainingLabels.draw(
        index,
        data.labels[index],
        data.groups,
        noise=Noise.parse(cell.noise),
        trusted=cell.trusted,
        protocol=cell.protocol,
        rng=np.random.default_rng(cell.seed),
    )
    lesson = method(labels, data, recipe)
    images = data.images[lesson.labels.index]
    normalisation = Normalisation.of(data.images[index]).to(fabric.device)

    def inputs(part: NDArray[np.uint8]) -> Iterator[Tensor]:
        for batch in torch.split(torch.from_numpy(part), _BATCH):
            normalised: Tensor = normalisation(batch.to(fabric.device).permute(0, 3, 1, 2))
            yield normalised

    parts = {
        "held_out": (data.images[data.split.validation], data.labels[data.split.validation]),
        "test": (data.test_images[:], data.test_labels),
        "given": (images[:_WATCHED], lesson.labels.given[:_WATCHED]),
    }

    def measure(network: nn.Module) -> dict[str, float]:
        network.eval()
        predict: Predict = logits
        if lesson.head_on_trusted:
            rows = np.flatnonzero(lesson.labels.trusted)
            known = lesson.labels.given[rows]
            predict = fit_trusted_head(network, inputs(images[rows]), known, data.groups.membership, seed=cell.seed)
        figures: dict[str, float] = {}
        for name, (part, true) in parts.items():
            with torch.inference_mode():
                outputs = torch.cat([predict(network, batch) for batch in inputs(part)])
            measured = evaluate(outputs.softmax(dim=1).cpu().numpy(), true, data.groups)
            figures |= {f"{name}_{figure}": round(value, 5) for figure, value in measured.items()}
        return figures

    torch.manual_seed(cell.seed)
    network = make_network(lesson.recipe.network, channels=data.input.channels, classes=len(data.classes))
    started = time.perf_counter()
    curve = list(
        train(
            network,
            lesson.loss,
            ResidentImages(images, fabric.device),
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
