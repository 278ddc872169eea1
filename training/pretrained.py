"""Weights to start from: ImageNet's from torchvision, or those in a file."""

from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.errors import LookalikeError
from training.checkpoint import load_checkpoint
from training.networks import NetworkSpec, TorchvisionResNet

IMAGENET = "imagenet"
"""In the place of a file: the weights of torchvision's first recipe (ResNet-50: 76.13 % on ImageNet)."""
IMAGENET_MEAN = tuple(255 * value for value in (0.485, 0.456, 0.406))
IMAGENET_STD = tuple(255 * value for value in (0.229, 0.224, 0.225))
"""What torchvision's networks were trained with, in [0, 255]."""


class WeightsError(LookalikeError):
    """The weights can't be had, or are another network's; the message says which differ."""


def start_from(network: nn.Module, spec: NetworkSpec, weights: str) -> bool:
    """Load ``imagenet`` or a file: safetensors, or what ``torch.save`` wrote, of which nothing can run.

    A file may hold torchvision's names, or those of a run's ``weights.safetensors`` or ``checkpoint.pt``. The last
    layer stays random where it is for another number of classes; all else must fit. Raises ``WeightsError``.

    Returns whether the last layer is that of the weights, too.
    """
    found = _imagenet(spec) if weights == IMAGENET else _read(Path(weights))
    if isinstance(network, TorchvisionResNet) and "fc.weight" in found:
        found = {_renamed(name): tensor for name, tensor in found.items()}
    wanted = network.state_dict()
    head = {"head.weight", "head.bias"}
    if any(name in found and found[name].shape != wanted[name].shape for name in head):
        found = {name: tensor for name, tensor in found.items() if name not in head}
    expected = wanted.keys() - (head - found.keys())
    for name in sorted(expected | found.keys()):
        if name not in found or name not in wanted:
            where = "the file has no" if name not in found else "the network has no"
            raise WeightsError(f"{weights} holds the weights of another network: {where} {name}")
        if found[name].shape != wanted[name].shape:
            shapes = f"{tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
            raise WeightsError(f"{weights} holds the weights of another network: {name} is {shapes}")
    network.load_state_dict(found, strict=False)
    return head <= found.keys()


def _renamed(name: str) -> str:
    return name.replace("fc.", "head.", 1) if name.startswith("fc.") else f"body.{name}"


def _imagenet(spec: NetworkSpec) -> dict[str, Tensor]:
    from torchvision.models import get_weight  # noqa: PLC0415 - only where weights are wanted

    if spec.kind == "small" or spec.stem != "imagenet":
        raise WeightsError("there are ImageNet weights for resnet18, resnet34 and resnet50 with the stem `imagenet`")
    weights = get_weight(f"ResNet{spec.kind.removeprefix('resnet')}_Weights.IMAGENET1K_V1")
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"{weights.url} can't be downloaded ({error}): fetch it elsewhere and name the file by --weights FILE"
        ) from error
    return state


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{path} can't be read: {error}") from error
    state = load_checkpoint(path)
    state = state.get("network", state.get("state_dict", state))
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds no weights by their names")
    return state
