"""What a training computes on, and in."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from training.devices import DeviceError, make_fabric


def test_bfloat16_is_computed_in_and_nothing_else(start: Callable[..., Any]) -> None:
    """The network computes in bfloat16 and learns as it should, while its weights stay in float32."""
    training = start(loss="lp", recipe={"epochs": 12}, precision="bf16")
    seen = set()
    training.network.head.register_forward_hook(lambda _, __, logits: seen.add(logits.dtype))
    losses = [each["loss"] for each in training.run()]
    assert seen == {torch.bfloat16}
    assert {tensor.dtype for tensor in training.network.parameters()} == {torch.float32}
    assert losses[-1] < losses[0] / 2
    assert training.accuracy() > 0.9


def test_a_gpu_that_is_not_there_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for a GPU where torch has none, it says what to take instead; ``auto`` takes the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="no GPU that torch can use: take --device cpu, or auto"):
        make_fabric("cuda")
    assert make_fabric("auto").device.type == "cpu"
