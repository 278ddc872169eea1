"""The average of the weights follows them."""

import torch
from torch import nn

from training.ema import Ema


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_an_average_of_constant_weights_is_those_weights() -> None:
    """A network that stays as it is equals its average, however often it is updated."""
    still = network()
    ema = Ema(still, 0.99)
    for _ in range(20):
        ema.update(still)
    for name, tensor in still.state_dict().items():
        torch.testing.assert_close(ema.network.state_dict()[name], tensor)


def test_the_average_is_the_recursion() -> None:
    """Weights and running statistics follow ``d a + (1 - d) w`` with ``d = min(decay, (1 + n) / (10 + n))``."""
    moving = network()
    ema = Ema(moving, 0.5)
    expected = moving[0].weight.detach().double().clone()
    statistics = moving[1].running_mean.double().clone()
    for n in range(12):
        with torch.no_grad():
            moving[0].weight.add_(1.0 + n)
        moving(torch.randn(8, 3))
        ema.update(moving)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * moving[0].weight.detach().double()
        statistics = decay * statistics + (1 - decay) * moving[1].running_mean.double()
    torch.testing.assert_close(ema.network[0].weight.double(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ema.network[1].running_mean.double(), statistics, atol=1e-5, rtol=1e-5)
    assert ema.network[1].num_batches_tracked == moving[1].num_batches_tracked


def test_the_average_learns_nothing_itself() -> None:
    """The averaged network takes no gradients and normalises by its running statistics."""
    ema = Ema(network(), 0.9)
    assert not ema.network.training
    assert not any(each.requires_grad for each in ema.network.parameters())
