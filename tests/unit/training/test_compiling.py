"""Compiling is tried, and given up where it doesn't work."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from training.compiling import try_to_compile
from training.networks import NetworkSpec, ResNet


@pytest.fixture
def network() -> ResNet:
    torch.manual_seed(0)
    return ResNet(NetworkSpec(widths=(4,)), channels=1, classes=3)


def test_a_compiler_that_fails_leaves_the_network(network: ResNet) -> None:
    """Whatever the compiler raises, training goes on with the network as it is, and a warning says why."""

    def broken(_: nn.Module) -> Callable[..., Any]:
        def run(*_: object) -> None:
            raise RuntimeError("no C++ compiler")

        return run

    with pytest.warns(UserWarning, match="torch.compile doesn't work here.*no C\\+\\+ compiler"):
        assert try_to_compile(network, torch.zeros(2, 1, 8, 8), broken) is network


def test_trying_changes_nothing(network: ResNet) -> None:
    """Running it once leaves weights, running statistics and gradients as they were."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    runner = try_to_compile(network, torch.randn(4, 1, 8, 8), lambda module: module)
    assert runner is network
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(each.grad is None for each in network.parameters())
