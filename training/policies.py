"""Augmentation policies by name, as torchvision has them; they change colours as well as shapes."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

PolicyName = Literal["autoaugment-cifar10", "autoaugment-imagenet", "randaugment", "trivialaugment"]
"""Cubuk et al. 2019, the same, Cubuk et al. 2020, Müller and Hutter 2021."""

Policy = Callable[[Tensor, int], Tensor]


def make_policy(name: PolicyName) -> Policy:
    """Return a function that takes uint8 ``[n, C, H, W]`` and a seed, and changes every image in its own way."""
    from torchvision.transforms import v2  # noqa: PLC0415 - takes a second to import, and few recipes need it

    transform = {
        "autoaugment-cifar10": lambda: v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
        "autoaugment-imagenet": lambda: v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET),
        "randaugment": v2.RandAugment,
        "trivialaugment": v2.TrivialAugmentWide,
    }[name]()

    def apply(images: Tensor, seed: int) -> Tensor:
        with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's own generator
            torch.default_generator.manual_seed(seed)
            return torch.stack([transform(image) for image in images])

    return apply
