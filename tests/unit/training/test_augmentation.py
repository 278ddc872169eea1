"""Augmentation moves and mirrors, and does nothing else."""

import pytest
import torch
from torch import Tensor

from training.augmentation import augment


def images(n: int = 12, channels: int = 3, height: int = 6, width: int = 8) -> Tensor:
    return torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(1))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_nothing_done() -> None:
    """Without shift and mirror every image stays as it is."""
    torch.testing.assert_close(augment(images(), seeded(), max_shift=0, mirror=False), images(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.uint8])
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_are_kept(dtype: torch.dtype, channels: int) -> None:
    """Images come back in the shape and type that they went in."""
    batch = images(channels=channels).mul(20).to(dtype)
    out = augment(batch, seeded(), max_shift=2, mirror=True)
    assert (out.shape, out.dtype) == (batch.shape, dtype)


def test_a_shift_moves_whole_pixels() -> None:
    """Each shifted image is its original moved by whole pixels within the bound, uncovered pixels being the darkest."""
    batch, shift = images(200), 2
    out = augment(batch, seeded(), max_shift=shift, mirror=False)
    frame = torch.full((200, 3, 6 + 2 * shift, 8 + 2 * shift), batch.min().item())
    frame[:, :, shift:-shift, shift:-shift] = batch
    seen = set()
    for i in range(200):
        moves = [
            (y, x)
            for y in range(2 * shift + 1)
            for x in range(2 * shift + 1)
            if torch.equal(out[i], frame[i, :, y : y + 6, x : x + 8])
        ]
        assert len(moves) == 1
        seen.add(moves[0])
    assert len(seen) == 25  # every shift within the bound comes up


def test_about_half_are_mirrored() -> None:
    """With mirroring each image is itself or its mirror image, about half of each."""
    batch = images(400)
    out = augment(batch, seeded(), max_shift=0, mirror=True)
    same = (out == batch).flatten(1).all(dim=1)
    mirrored = (out == batch.flip(3)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_the_generator_decides() -> None:
    """The same seed gives the same augmentation, another seed another."""
    first, again, other = (augment(images(), seeded(seed), max_shift=2, mirror=True) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
