"""Learning rates go where the schedules say."""

import math
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from training.schedules import Schedule, ScheduleError, ScheduleSpec


def schedule(spec: dict[str, Any], *, epochs: int, steps: int) -> Schedule:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2, momentum=0.95)
    parsed: ScheduleSpec = TypeAdapter(ScheduleSpec).validate_python(spec)
    return Schedule(parsed, optimizer, (0.85, 0.95), epochs=epochs, steps=steps)


def rates(chosen: Schedule, n: int) -> list[float]:
    """The rate of each of ``n`` steps."""
    found = []
    for _ in range(n):
        found.append(chosen.learning_rate)
        chosen._optimizer.step()
        chosen.after_step()
    return found


def test_one_cycle_rises_and_falls_once() -> None:
    """The rate rises to the recipe's in the first fifth, then falls to nearly nothing at the last step."""
    found = rates(schedule({"kind": "one-cycle"}, epochs=10, steps=10), 100)
    top = found.index(max(found))
    assert max(found) == pytest.approx(0.2)
    assert top == 19
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert found[-1] < 1e-5


def test_a_cosine_restarts() -> None:
    """Two cycles, the second twice as long: the rate falls along a cosine from the recipe's, twice."""
    found = rates(schedule({"kind": "cosine", "cycles": 2, "growth": 2}, epochs=3, steps=10), 30)
    expected = [0.1 * (1 + math.cos(math.pi * i / 10)) for i in range(10)]
    expected += [0.1 * (1 + math.cos(math.pi * i / 20)) for i in range(20)]
    assert found == pytest.approx(expected)


def test_a_plateau_halves_the_rate() -> None:
    """After more epochs without improvement than its patience, the rate is halved; steps don't change it."""
    chosen = schedule({"kind": "plateau", "patience": 1, "watch": "held_out_loss"}, epochs=9, steps=3)
    found = []
    for loss in (3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0):
        assert rates(chosen, 3) == [chosen.learning_rate] * 3
        chosen.after_epoch({"loss": 0.0, "held_out_loss": loss})
        found.append(chosen.learning_rate)
    assert found == pytest.approx([0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05])


def test_a_figure_that_nobody_measures_is_named() -> None:
    """A plateau schedule that watches what an epoch does not have says so, and what there is."""
    chosen = schedule({"kind": "plateau", "watch": "held_out_loss"}, epochs=1, steps=1)
    with pytest.raises(ScheduleError, match=r"watches 'held_out_loss'; an epoch has \['loss'\]"):
        chosen.after_epoch({"loss": 1.0})
