"""Random changes to a whole batch of images at once, drawn first and applied later, maybe by another process."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.policies import make_policy
from training.recipe import Recipe


@dataclass(frozen=True)
class Mixing:
    """Mixup (Zhang et al. 2018): each image is blended with a partner's, its loss with the loss on their labels."""

    weight: float
    """Of the image itself."""
    partners: Tensor
    """int64 ``[n]``."""


@dataclass(frozen=True)
class Draws:
    """How ``n`` images are to be changed; all tensors on the CPU."""

    offsets: Tensor
    """int64 ``[2, n]``: rows and columns of the shifted window, from 0 to twice the largest shift."""
    mirrored: Tensor | None
    """bool ``[n]``."""
    crops: Tensor | None
    """float32 ``[n, 4]`` in [0, 1): which part of each image is enlarged; ``crop_boxes`` makes boxes of it."""
    policy_seed: int | None
    mixing: Mixing | None


class Augmentation:
    """What a recipe does to training images: a policy, shifts, mirroring, crops; and mixup."""

    def __init__(self, recipe: Recipe) -> None:
        self.max_shift, self.mirror, self.crop_area = recipe.max_shift, recipe.mirror, recipe.crop_area
        self.mixup = recipe.mixup
        self.policy = make_policy(recipe.policy) if recipe.policy else None

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Draw for ``n`` images; the generator must live on the CPU."""
        offsets = torch.randint(0, 2 * self.max_shift + 1, (2, n), generator=generator)
        mirrored = torch.rand(n, generator=generator) < 0.5 if self.mirror else None
        crops = torch.rand(n, 4, generator=generator) if self.crop_area else None
        policy_seed = _seed(generator) if self.policy else None
        mixing = None
        if self.mixup:
            weight = float(np.random.default_rng(_seed(generator)).beta(self.mixup, self.mixup))
            mixing = Mixing(weight, torch.randperm(n, generator=generator))
        return Draws(offsets, mirrored, crops, policy_seed, mixing)

    def __call__(self, images: Tensor, draws: Draws, *, cropped: bool = False) -> Tensor:
        """uint8 ``[n, C, H, W]`` to the same shape, uint8, or float32 in [0, 255] where images are cropped or mixed.

        With ``cropped`` the crops were made already, from the larger pictures that the images come from.
        """
        if self.policy is not None and draws.policy_seed is not None:
            images = self.policy(images, draws.policy_seed)
        if self.max_shift or draws.mirrored is not None:
            images = shift(images, draws.offsets, draws.mirrored, self.max_shift)
        if draws.crops is not None and self.crop_area and not cropped:
            images = crop(images, crop_boxes(draws.crops, self.crop_area, images.shape[2], images.shape[3]))
        if draws.mixing is not None:
            partners = images[draws.mixing.partners.to(images.device)]
            images = torch.lerp(partners.float(), images.float(), draws.mixing.weight)
        return images


def shift(images: Tensor, offsets: Tensor, mirrored: Tensor | None, max_shift: int) -> Tensor:
    """Move each image by ``offsets - max_shift`` pixels, and turn those that are ``mirrored`` left to right.

    What a shift uncovers is black. uint8 ``[n, C, H, W]`` to the same shape.
    """
    n, _, height, width = images.shape
    device = images.device
    padded = F.pad(images, (max_shift,) * 4)
    offsets = offsets.to(device)
    rows = offsets[0, :, None] + torch.arange(height, device=device)
    columns = torch.arange(width, device=device).expand(n, width)
    if mirrored is not None:
        columns = torch.where(mirrored.to(device)[:, None], columns.flip(1), columns)
    columns = offsets[1, :, None] + columns
    batch = torch.arange(n, device=device)[:, None, None]
    # Indexing puts the channels last; back to [n, C, H, W].
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def crop_boxes(draws: Tensor, area: tuple[float, float], height: int, width: int) -> Tensor:
    """Boxes as torchvision's ``RandomResizedCrop`` draws them: of an image's area a share in ``area``, 3:4 to 4:3.

    Four uniform numbers for each box, float32 ``[n, 4]``, to top, left, height and width in pixels, ``[n, 4]``. A box
    that is too long for the image is cut off, where torchvision would draw again.
    """
    least, most = area
    pixels = (least + (most - least) * draws[:, 0]) * height * width
    ratio = torch.exp((2 * draws[:, 1] - 1) * np.log(4 / 3))
    tall = (pixels / ratio).sqrt().clamp(max=height)
    wide = (pixels * ratio).sqrt().clamp(max=width)
    return torch.stack([(height - tall) * draws[:, 2], (width - wide) * draws[:, 3], tall, wide], dim=1)


def crop(images: Tensor, boxes: Tensor) -> Tensor:
    """Enlarge a box of each image to the size of the image, bilinearly: ``[n, C, H, W]`` to float32 of that shape."""
    height, width = images.shape[2:]
    top, left, tall, wide = boxes.to(images.device).unbind(1)
    zero = torch.zeros_like(top)
    # From output to input coordinates, both of which run from -1 to 1 over the whole image.
    across = torch.stack([wide / width, zero, (2 * left + wide) / width - 1], dim=1)
    down = torch.stack([zero, tall / height, (2 * top + tall) / height - 1], dim=1)
    grid = F.affine_grid(torch.stack([across, down], dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=generator))
