"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import Signals
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from models.errors import LookalikeError
from training.augmentation import Augmentation
from training.batches import Batches, steps
from training.checkpoint import load_checkpoint, save_checkpoint
from training.compiling import try_to_compile
from training.ema import Ema
from training.feeds import Feed
from training.gradients import Gradients
from training.interruption import Interruption
from training.normalisation import Normalisation
from training.progress import ProgressBar
from training.recipe import Recipe
from training.schedules import Schedule
from training.state import Best, Figures, TrainingState
from training.training_set import TrainingLabels

LOOK_EVERY = 10
"""Steps between two looks at the losses: on a GPU each one waits for the device."""
SAVE_EVERY = 600.0
"""Seconds after which a long epoch is saved midway."""


class DivergedError(LookalikeError):
    """The loss is no longer a number; the message says where."""


class TrainingInterrupted(LookalikeError):  # noqa: N818 - nothing went wrong
    """A signal asked the training to stop; it did, after saving."""

    def __init__(self, signal: Signals, where: str) -> None:
        super().__init__(f"stopped by {signal.name} after {where}")
        self.signal = signal


def train(
    network: nn.Module,
    loss: nn.Module,
    feed: Feed,
    labels: TrainingLabels,
    recipe: Recipe,
    *,
    normalisation: Normalisation,
    generator: torch.Generator,
    fabric: Fabric,
    evaluate: Callable[[nn.Module], Figures] | None = None,
    checkpoint: Path | None = None,
    compile_for: tuple[int, int, int] | None = None,
) -> Iterator[Figures]:
    """Train in place; yields the figures of each epoch once it is over, those of ``evaluate`` among them.

    The generator, alike in all processes, orders and augments the images. Each epoch is saved as ``checkpoint``; where
    that file is there already, the training goes on from it, and ends with the weights that it would have ended with
    had it never stopped. On SIGTERM and SIGINT it saves and raises ``TrainingInterrupted``; where the loss is no number
    it raises ``DivergedError``, and the checkpoint is the last one before. With ``compile_for``, the ``[C, H, W]`` of
    its inputs, the network is compiled if that works.
    """
    network.to(memory_format=torch.channels_last)
    network.to(fabric.device)
    runner = network
    if compile_for is not None:
        runner = try_to_compile(network, torch.zeros(2, *compile_for, device=fabric.device))
    model = fabric.setup_module(runner)
    augmentation = Augmentation(recipe)
    gradients = Gradients(model, loss, labels, augmentation, normalisation, fabric)
    batches = Batches(labels, recipe, generator)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum[1],
        nesterov=recipe.momentum[1] > 0,
        weight_decay=recipe.weight_decay,
    )
    schedule = Schedule(recipe.schedule, optimizer, recipe.momentum, epochs=recipe.epochs, steps=len(batches))
    ema = Ema(network, recipe.ema) if recipe.ema else None
    state = TrainingState(network, optimizer, schedule, batches, ema, after=batches.state_dict())
    if checkpoint is not None and checkpoint.exists():
        state.load_state_dict(load_checkpoint(checkpoint))

    def look(unseen: list[Tensor], signal: Signals | None, *, due: bool) -> tuple[Signals | None, bool]:
        """See what the losses of the last steps were, and whether any process was asked to stop, or is to save."""
        values, asked = torch.stack(unseen), torch.tensor([signal or 0, due], device=fabric.device)
        if fabric.world_size > 1:
            values, asked = _reduced(values, fabric), _reduced(asked, fabric, "max")
        for value in values.tolist():
            state.losses.append(value)
            if not math.isfinite(value):
                raise DivergedError(f"the loss became {value} in {where()}; try a lower learning_rate{kept()}")
        number, due = asked.tolist()
        return Signals(number) if number else None, bool(due)

    def save() -> None:
        if checkpoint is None:
            return
        if not state.is_finite():
            raise DivergedError(f"the weights are no numbers after {where()}; try a lower learning_rate{kept()}")
        if fabric.is_global_zero:
            save_checkpoint(checkpoint, state.state_dict())
        fabric.barrier()

    def where() -> str:
        if not state.losses:
            return f"epoch {len(state.epochs)}"
        return f"epoch {len(state.epochs) + 1}, step {len(state.losses)} of {len(batches)}"

    def kept() -> str:
        if checkpoint is None or not checkpoint.exists():
            return ""
        return f", starting from what was saved before that (--weights {checkpoint})"

    bar = ProgressBar(recipe.epochs, len(batches), shown=fabric.is_global_zero)
    with Interruption() as interruption, bar:
        while len(state.epochs) < recipe.epochs and not _is_past_its_best(state, recipe):
            epoch = len(state.epochs) + 1
            saved = time.perf_counter()
            started = saved - state.seconds
            model.train()
            unseen: list[Tensor] = []
            asked = None
            taken = steps(batches, augmentation, generator, recipe.accumulate, fabric.global_rank, fabric.world_size)
            for step, pictures in feed.of(taken):
                optimizer.zero_grad()
                unseen.append(gradients.add(step, pictures, cropped=feed.crops))
                optimizer.step()
                schedule.after_step()
                if ema is not None:
                    ema.update(network)
                state.after = step.after
                now = time.perf_counter()
                is_last = len(state.losses) + len(unseen) == len(batches)
                if len(unseen) == LOOK_EVERY or is_last or (interruption.signal and fabric.world_size == 1):
                    asked, due = look(unseen, interruption.signal, due=now - saved > SAVE_EVERY)
                    unseen.clear()
                    state.seconds = now - started
                    bar.show(epoch, len(state.losses), state.losses[-1])
                    if (asked or due) and not is_last:
                        save()
                        saved = now
                        if asked:
                            raise TrainingInterrupted(asked, where())
            figures = {
                "epoch": epoch,
                "loss": math.fsum(state.losses) / len(batches),
                "learning_rate": schedule.learning_rate,
                "seconds": state.seconds,
                "images_per_second": len(batches) * recipe.batch_size / state.seconds,
            }
            _average_running_statistics(state, fabric)
            if evaluate is not None:
                figures |= fabric.broadcast(evaluate(state.averaged) if fabric.is_global_zero else {})
            schedule.after_epoch(figures)
            _keep_the_best(state, recipe, figures)
            state.epochs.append(figures)
            state.losses, state.seconds = [], 0.0
            save()
            yield figures
            if asked and len(state.epochs) < recipe.epochs:
                raise TrainingInterrupted(asked, where())
    final = state.best.weights if state.best is not None else state.averaged.state_dict()
    network.load_state_dict(final)


def _keep_the_best(state: TrainingState, recipe: Recipe, figures: Figures) -> None:
    """Where training is to stop early, keep the weights with the lowest loss on the held-out slice."""
    if recipe.early_stop is None:
        return
    value = figures["held_out_loss"]
    if state.best is None or value < state.best.loss:
        weights = {name: tensor.clone() for name, tensor in state.averaged.state_dict().items()}
        state.best = Best(int(figures["epoch"]), value, weights)


def _is_past_its_best(state: TrainingState, recipe: Recipe) -> bool:
    stop, best = recipe.early_stop, state.best
    return stop is not None and best is not None and len(state.epochs) - best.epoch >= stop.patience


def _average_running_statistics(state: TrainingState, fabric: Fabric) -> None:
    """Give all processes the mean of what each has seen of the data: batches are normalised in each by itself."""
    if fabric.world_size > 1:
        for network in dict.fromkeys((state.network, state.averaged)):  # once each, and in one order in all processes
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(_reduced(buffer, fabric))


def _reduced(tensor: Tensor, fabric: Fabric, how: Literal["mean", "max"] = "mean") -> Tensor:
    reduced = fabric.all_reduce(tensor, reduce_op=how)
    assert isinstance(reduced, Tensor)
    return reduced
