"""A training that is interrupted and resumed ends as if nothing had happened."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from training import loop
from training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from training.loop import TrainingInterrupted

Start = Callable[..., Any]
RECIPES = [
    {"max_shift": 1, "mirror": True},
    {"ema": 0.9, "mixup": 0.3, "crop_area": (0.5, 1.0), "policy": "randaugment"},
    {"schedule": {"kind": "plateau", "patience": 0}, "accumulate": 2},
    {"schedule": {"kind": "cosine", "cycles": 2}},
]


class SignalAt(nn.Module):
    """A loss during whose n-th call a signal comes in."""

    def __init__(self, loss: nn.Module, call: int, number: signal.Signals = signal.SIGTERM) -> None:
        super().__init__()
        self.loss, self.call, self.number = loss, call, number

    def forward(self, logits: Tensor, given: Tensor, trusted: Tensor) -> Tensor:
        self.call -= 1
        if self.call == 0:
            os.kill(os.getpid(), self.number)
        value: Tensor = self.loss(logits, given, trusted)
        return value


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@given(steps=st.lists(st.integers(1, 9), min_size=1, max_size=2))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_resumed_equals_uninterrupted(
    start: Start, tmp_path_factory: pytest.TempPathFactory, recipe: dict[str, Any], steps: list[int]
) -> None:
    """Stopped by SIGTERM at any steps and resumed by a new network, it ends with the same weights bit for bit."""
    whole = start(recipe={"epochs": 3} | recipe)
    expected = whole.run()
    checkpoint = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    for step in steps:
        part = start(recipe={"epochs": 3} | recipe, checkpoint=checkpoint)
        part.loss = SignalAt(whole.make_loss(), step)
        with pytest.raises(TrainingInterrupted, match="stopped by SIGTERM after epoch"):
            part.run()
    last = start(recipe={"epochs": 3} | recipe, checkpoint=checkpoint, seed=1)  # the seed is the checkpoint's business
    last.run()
    assert last.ends_as(whole)
    found = load_checkpoint(checkpoint)["epochs"]
    assert [each["loss"] for each in found] == [each["loss"] for each in expected]


def test_after_the_signal_the_old_handlers_are_back(start: Start, tmp_path: Path) -> None:
    """While a training stops, and afterwards, signals do what they did before it."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    training = start(checkpoint=tmp_path / "checkpoint.pt")
    training.loss = SignalAt(training.make_loss(), 2, signal.SIGINT)
    with pytest.raises(TrainingInterrupted, match="SIGINT"):
        training.run()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_long_epochs_are_saved_midway(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so many seconds there is a checkpoint, though the epoch is not over."""
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    checkpoint, seen = tmp_path / "checkpoint.pt", []
    training = start(400, checkpoint=checkpoint, recipe={"epochs": 1})
    inner = training.make_loss()

    class Watching(nn.Module):
        def forward(self, *batch: Tensor) -> Tensor:
            if checkpoint.exists():
                seen.append(len(load_checkpoint(checkpoint)["losses"]))
            value: Tensor = inner(*batch)
            return value

    training.loss = Watching()
    training.run()
    assert sorted(set(seen)) == [10, 20]


def test_a_damaged_checkpoint_is_named(start: Start, tmp_path: Path) -> None:
    """A checkpoint that is cut short, or would run code, is refused by its name."""
    checkpoint = tmp_path / "checkpoint.pt"
    start(checkpoint=checkpoint).run()
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is no checkpoint, or a damaged one"):
        start(checkpoint=checkpoint).run()
    save_checkpoint(checkpoint, {"epochs": Path})
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is no checkpoint"):
        load_checkpoint(checkpoint)
