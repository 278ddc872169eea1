"""Random shifts and mirroring of a whole batch at once."""

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(images: Tensor, generator: torch.Generator, *, max_shift: int, mirror: bool) -> Tensor:
    """Shift each image by up to ``max_shift`` pixels a side, and with ``mirror`` turn half of them left to right.

    What a shift uncovers gets the darkest value of the batch.

    ``[N, C, H, W]`` to the same shape; the generator must live on the CPU.
    """
    n, _, height, width = images.shape
    padded = F.pad(images, (max_shift,) * 4, value=float(images.min()))
    offsets = torch.randint(0, 2 * max_shift + 1, (2, n), generator=generator).to(images.device)
    rows = offsets[0, :, None] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(n, width)
    if mirror:
        mirrored = (torch.rand(n, generator=generator) < 0.5).to(images.device)
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    columns = offsets[1, :, None] + columns
    batch = torch.arange(n, device=images.device)[:, None, None]
    # Indexing puts the channels last; back to [N, C, H, W].
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
