"""The training loop."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from models.errors import LookalikeError
from training.augmentation import augment
from training.ema import Ema
from training.recipe import Recipe
from training.training_set import TrainingLabels


def normalise(images: Tensor, mean: float, std: float) -> Tensor:
    """uint8 ``[N, H, W, C]`` to float32 ``[N, C, H, W]`` with mean 0 and standard deviation 1 over the training set."""
    return images.permute(0, 3, 1, 2).float().sub(mean).div(std)


class DivergedError(LookalikeError):
    """The loss is no longer a number; the message says where."""


def train(
    network: nn.Module,
    loss: nn.Module,
    images: Tensor,
    labels: TrainingLabels,
    recipe: Recipe,
    *,
    generator: torch.Generator,
    device: torch.device,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> Iterator[dict[str, float]]:
    """Train in place; yields the metrics of each epoch once it is over, those of ``evaluate`` among them.

    ``images`` are normalised ``[N, C, H, W]``, in the order of ``labels``; the generator orders and augments them.
    """
    network.to(device).to(memory_format=torch.channels_last)
    loss.to(device)
    images = images.to(device)
    given = torch.from_numpy(labels.given).to(device)
    trusted = torch.from_numpy(labels.trusted).to(device)
    batches = Batches(labels, recipe, generator)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum[1],
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )
    ema = Ema(network, recipe.ema) if recipe.ema else None
    steps = len(batches) * recipe.epochs
    # A rise of exactly one step (0.2 of 5) makes OneCycleLR divide by zero.
    rise = 0.2 if steps > 5 else 0.4
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=steps,
        pct_start=rise,
        base_momentum=recipe.momentum[0],
        max_momentum=recipe.momentum[1],
    )
    with Progress(
        TextColumn("epoch {task.fields[epoch]}/" + str(recipe.epochs)),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task("", total=steps, epoch=0, loss=float("nan"))
        for epoch in range(1, recipe.epochs + 1):
            started, total = time.perf_counter(), 0.0
            network.train()
            for batch in batches:
                x = augment(images[batch], generator, max_shift=recipe.max_shift, mirror=recipe.mirror)
                logits, _ = network(x)
                value = loss(logits, given[batch], trusted[batch])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                schedule.step()
                if ema is not None:
                    ema.update(network)
                total += (step_loss := value.item())
                if not np.isfinite(step_loss):
                    raise DivergedError(f"the loss became {step_loss} in epoch {epoch}; try a lower learning_rate")
                progress.update(task, advance=1, epoch=epoch, loss=step_loss)
            metrics = {"epoch": epoch, "loss": total / len(batches), "seconds": time.perf_counter() - started}
            yield metrics | (evaluate(network if ema is None else ema.network) if evaluate is not None else {})
    if ema is not None:
        network.load_state_dict(ema.network.state_dict())


class Batches:
    """Index tensors of one epoch: untrusted samples in a new order, beside a share of each batch from the trusted set.

    No untrusted sample comes twice in an epoch; those that don't fill a last batch wait for the next. Where all
    samples are trusted, or none, or the recipe's share is 0, there is one order of all samples instead.
    """

    def __init__(self, labels: TrainingLabels, recipe: Recipe, generator: torch.Generator) -> None:
        self._trusted = torch.from_numpy(np.flatnonzero(labels.trusted))
        mixed = 0 < len(self._trusted) < len(labels.trusted)
        share = min(round(recipe.batch_size * recipe.trusted_share), recipe.batch_size - 1)
        self._oversampled = share if mixed else 0
        pool = ~labels.trusted if self._oversampled else np.ones_like(labels.trusted)
        self._pool = torch.from_numpy(np.flatnonzero(pool))
        self._size = recipe.batch_size - self._oversampled
        self._generator = generator

    def __len__(self) -> int:
        return max(1, len(self._pool) // self._size)

    def __iter__(self) -> Iterator[Tensor]:
        order = self._pool[torch.randperm(len(self._pool), generator=self._generator)]
        for step in range(len(self)):
            mixed = order[step * self._size : (step + 1) * self._size]
            # An empty range can't be drawn from, not even nothing.
            drawn = torch.randint(max(1, len(self._trusted)), (self._oversampled,), generator=self._generator)
            yield torch.cat([mixed, self._trusted[drawn]])
