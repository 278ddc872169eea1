"""Residual networks (He et al. 2016): a small one for images of 28 to 32 pixels, and those of torchvision."""

from typing import Literal

import torch.nn.functional as F
import torchvision
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class NetworkSpec(BaseModel):
    """Which residual network it is.

    ``small`` has a stage for each width, all but the first halving height and width, and a 3 x 3 stem without
    max-pooling. ``resnet18``, ``resnet34`` and ``resnet50`` are torchvision's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["small", "resnet18", "resnet34", "resnet50"] = "small"
    widths: tuple[int, ...] = (32, 64, 128)
    """Of ``small``."""
    blocks: int = 1
    """Residual blocks a stage of ``small``."""
    stem_stride: Literal[1, 2] = 2
    """Of ``small``."""
    stem: Literal["imagenet", "cifar"] = "imagenet"
    """Of the others: 7 x 7 with max-pooling, which halves twice, or for small images 3 x 3, which doesn't."""


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


class TorchvisionResNet(nn.Module):
    """The same of torchvision's networks, with random weights."""

    def __init__(self, spec: NetworkSpec, *, channels: int, classes: int) -> None:
        super().__init__()
        self.body = getattr(torchvision.models, spec.kind)(weights=None)
        if spec.stem == "cifar":
            self.body.conv1, self.body.maxpool = nn.Conv2d(channels, 64, 3, padding=1, bias=False), nn.Identity()
        elif channels != 3:
            self.body.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        width = self.body.fc.in_features
        self.body.fc = nn.Identity()
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[N, C, H, W]`` normalised float images to logits ``[N, K]`` and embedding ``[N, D]``."""
        embedding = self.body(x)
        return self.head(embedding), embedding


def make_network(spec: NetworkSpec, *, channels: int, classes: int) -> nn.Module:
    """Make a network that gives ``(logits, embedding)``, its weights drawn from torch's generator."""
    kind = ResNet if spec.kind == "small" else TorchvisionResNet
    return kind(spec, channels=channels, classes=classes)
