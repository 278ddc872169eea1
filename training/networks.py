"""Residual networks for images of 28 to 32 pixels (He et al. 2016, with a 3 x 3 stem and no max-pooling)."""

from typing import Literal

import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class NetworkSpec(BaseModel):
    """Size of a residual network: a stage per width, each but the first halving height and width."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 1
    """Residual blocks a stage."""
    stem_stride: Literal[1, 2] = 2


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, H, W]`` to ``[N, outputs, H / stride, W / stride]``."""
        hidden = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(hidden)) + self.shortcut(x))


class ResNet(nn.Module):
    """Images to ``(logits, embedding)``; the embedding is the pooled output of the last stage."""

    def __init__(self, spec: NetworkSpec, *, channels: int, classes: int) -> None:
        super().__init__()
        width = spec.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, spec.stem_stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        stages: list[nn.Module] = []
        for stage, outputs in enumerate(spec.widths):
            for block in range(spec.blocks):
                stride = 2 if stage and not block else 1
                stages.append(ResidualBlock(width, outputs, stride))
                width = outputs
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[N, C, H, W]`` normalised float images to logits ``[N, K]`` and embedding ``[N, D]``."""
        embedding = self.stages(self.stem(x)).mean(dim=(2, 3))
        return self.head(embedding), embedding
