"""torch's compiler, where it works."""

import warnings
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn


def try_to_compile(
    network: nn.Module, example: Tensor, compiler: Callable[[nn.Module], object] = torch.compile
) -> nn.Module:
    """Compile a network and run it once, forwards and backwards; the network itself where that fails, with a warning.

    Its weights and running statistics are afterwards what they were.
    """
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        compiled = cast("nn.Module", compiler(network))
        compiled(example)[0].float().sum().backward()
    except Exception as error:  # noqa: BLE001 - the compiler's many ways to fail
        warnings.warn(f"torch.compile doesn't work here, training goes on without it: {error!s:.200}", stacklevel=2)
        compiled = network
    for name, buffer in network.named_buffers():
        buffer.data.copy_(before[name])
    network.zero_grad()
    return compiled
