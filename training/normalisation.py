"""Pixels to what a network takes in."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Normalisation(nn.Module):
    """Bytes, or numbers in [0, 255], to numbers with mean 0 and standard deviation 1 over the training images."""

    mean: Tensor
    """``[C, 1, 1]``, or ``[1, 1, 1]`` for all channels alike."""
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1), persistent=False)

    @classmethod
    def of(cls, images: NDArray[np.uint8]) -> Self:
        """That of images uint8 ``[N, H, W, C]``, one mean and deviation for all channels."""
        return cls([float(images.mean())], [float(images.std())])

    def forward(self, images: Tensor) -> Tensor:
        """``[N, C, H, W]`` to float32."""
        return images.float().sub(self.mean).div(self.std)
