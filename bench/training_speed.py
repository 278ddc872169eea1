"""What the log-projection loss costs beside cross-entropy, and the loop beside a bare step.

    make bench-training

One thread. The arms take turns step by step, or, with the loop, round by round; ratios are medians over the rounds, of
wall time.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from answers import header, row
from numpy.typing import NDArray
from torch import Tensor, nn

from models.confidence_labels import from_groups
from training.data import load_fashion_mnist
from training.devices import make_fabric
from training.feeds import ResidentImages
from training.loop import train
from training.losses import make_loss
from training.networks import ResNet
from training.normalisation import Normalisation
from training.recipe import Recipe, load_recipe
from training.training_set import TrainingLabels

STEPS = 60
"""Of each arm when losses are compared."""
ROUNDS = 8
LOOP_STEPS = 25
"""Of each arm in a round when loops are compared."""


def main() -> None:
    torch.set_num_threads(1)
    recipe = load_recipe("quick")
    data = load_fashion_mnist(None)
    index = data.split.training[: LOOP_STEPS * recipe.batch_size]
    images, labels = data.images[index], data.labels[index]
    trusted = np.arange(len(index)) % 4 == 0
    normalisation = Normalisation.of(images)
    x = normalisation(torch.from_numpy(images[: recipe.batch_size]).permute(0, 3, 1, 2))
    given = torch.from_numpy(labels[: recipe.batch_size])
    known = torch.from_numpy(trusted[: recipe.batch_size])
    confidence = from_groups(data.groups)

    header(["a step of", "ms, cross-entropy", "ms, log-projection", "ratio"])
    arms = {name: bare_steps(recipe, make_loss(name, confidence), x, given, known) for name in ("ce", "lp")}
    times: dict[str, list[float]] = {name: [] for name in arms}
    for step in range(STEPS + 5):
        for name in sorted(arms, reverse=bool(step % 2)):
            started = time.perf_counter()
            next(arms[name])
            times[name].append(time.perf_counter() - started)
    ce, lp = (times[name][5:] for name in ("ce", "lp"))
    ratio = statistics.median(b / a for a, b in zip(ce, lp, strict=True))
    shown = [f"{1000 * statistics.median(each):.1f}" for each in (ce, lp)]
    row([f"`quick`, {recipe.batch_size} images", *shown, f"{ratio:.3f}"])

    print()
    header(["images a second", "bare step", "loop", "ratio"])
    bare, loop = [], []
    step = bare_steps(recipe, make_loss("lp", confidence), x, given, known)
    once = recipe.model_copy(update={"epochs": 1, "trusted_share": 0.0})
    for turn in range(ROUNDS + 1):
        rates = {}
        arms_in_turn: dict[str, Callable[[], float]] = {
            "bare": lambda: timed(step),
            "loop": lambda: looped(once, images, labels, trusted, normalisation, make_loss("lp", confidence)),
        }
        for name in sorted(arms_in_turn, reverse=bool(turn % 2)):
            rates[name] = LOOP_STEPS * recipe.batch_size / arms_in_turn[name]()
        if turn:
            bare.append(rates["bare"])
            loop.append(rates["loop"])
    ratio = statistics.median(b / a for a, b in zip(bare, loop, strict=True))
    row(
        [
            "`quick`, with its augmentation and average",
            *(f"{statistics.median(each):.0f}" for each in (bare, loop)),
            f"{ratio:.3f}",
        ]
    )


def bare_steps(recipe: Recipe, loss: nn.Module, x: Tensor, given: Tensor, trusted: Tensor) -> Iterator[None]:
    """Forward, backward and optimizer on one and the same batch, for ever."""
    torch.manual_seed(0)
    network = ResNet(recipe.network, channels=1, classes=10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    network.train()
    while True:
        optimizer.zero_grad()
        loss(network(x)[0], given, trusted).backward()
        optimizer.step()
        yield


def timed(step: Iterator[None]) -> float:
    """Seconds of ``LOOP_STEPS`` bare steps."""
    started = time.perf_counter()
    for _ in range(LOOP_STEPS):
        next(step)
    return time.perf_counter() - started


def looped(
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    trusted: NDArray[np.bool_],
    normalisation: Normalisation,
    loss: nn.Module,
) -> float:
    """Seconds of an epoch of ``LOOP_STEPS`` steps in the loop, as it counts them itself."""
    torch.manual_seed(0)
    fabric = make_fabric("cpu")
    epochs = train(
        ResNet(recipe.network, channels=1, classes=10),
        loss,
        ResidentImages(images, fabric.device),
        TrainingLabels(np.arange(len(labels)), labels, trusted, labels),
        recipe,
        normalisation=normalisation,
        generator=torch.Generator().manual_seed(0),
        fabric=fabric,
    )
    return next(epochs)["seconds"]


if __name__ == "__main__":
    main()
