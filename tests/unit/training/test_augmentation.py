"""Augmentation moves, mirrors, crops and mixes, and does nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from training.augmentation import Augmentation, crop, crop_boxes, shift
from training.policies import PolicyName
from training.recipe import Recipe

MakeRecipe = Callable[..., Recipe]


def images(n: int = 12, channels: int = 3, height: int = 6, width: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(1, 256, (n, channels, height, width), generator=generator, dtype=torch.uint8)


def augmented(recipe: Recipe, batch: Tensor, seed: int = 0) -> Tensor:
    augmentation = Augmentation(recipe)
    return augmentation(batch, augmentation.draw(len(batch), torch.Generator().manual_seed(seed)))


def test_nothing_asked_nothing_done(make_recipe: MakeRecipe) -> None:
    """Without any augmentation every image stays as it is."""
    torch.testing.assert_close(augmented(make_recipe(), images()), images(), rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "policy", [None, "autoaugment-cifar10", "autoaugment-imagenet", "randaugment", "trivialaugment"]
)
def test_shape_and_type_are_kept(make_recipe: MakeRecipe, channels: int, policy: PolicyName | None) -> None:
    """Images come back in the shape that they went in: as bytes, or where they are blended as numbers."""
    batch = images(channels=channels)
    out = augmented(make_recipe(max_shift=2, mirror=True, policy=policy), batch)
    assert (out.shape, out.dtype) == (batch.shape, torch.uint8)
    blended = augmented(make_recipe(mixup=0.5, crop_area=(0.2, 1.0), policy=policy), batch)
    assert (blended.shape, blended.dtype) == (batch.shape, torch.float32)
    assert blended.min() >= 0
    assert blended.max() <= 255


def test_a_shift_moves_whole_pixels(make_recipe: MakeRecipe) -> None:
    """Each shifted image is its original moved by whole pixels within the bound, uncovered pixels being black."""
    batch, most = images(200), 2
    out = augmented(make_recipe(max_shift=most), batch)
    frame = torch.zeros(200, 3, 6 + 2 * most, 8 + 2 * most, dtype=torch.uint8)
    frame[:, :, most:-most, most:-most] = batch
    seen = set()
    for i in range(200):
        moves = [
            (y, x)
            for y in range(2 * most + 1)
            for x in range(2 * most + 1)
            if torch.equal(out[i], frame[i, :, y : y + 6, x : x + 8])
        ]
        assert len(moves) == 1
        seen.add(moves[0])
    assert len(seen) == 25  # every shift within the bound comes up


def test_about_half_are_mirrored(make_recipe: MakeRecipe) -> None:
    """With mirroring each image is itself or its mirror image, about half of each."""
    batch = images(400)
    out = augmented(make_recipe(mirror=True), batch)
    same = (out == batch).flatten(1).all(dim=1)
    mirrored = (out == batch.flip(3)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_crops_have_the_area_asked_for_and_lie_inside() -> None:
    """Boxes lie inside the image, cover the shares of its area asked for, and are neither flat nor narrow."""
    boxes = crop_boxes(torch.rand(5000, 4, generator=torch.Generator().manual_seed(0)), (0.1, 0.5), 40, 60)
    top, left, tall, wide = boxes.unbind(1)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + tall <= 40 + 1e-3).all()
    assert (left + wide <= 60 + 1e-3).all()
    share = tall * wide / 2400
    assert 0.1 - 1e-5 <= share.min() < 0.11
    assert 0.49 < share.max() <= 0.5 + 1e-5
    assert (wide / tall).min() >= 3 / 4 - 1e-4
    assert (wide / tall).max() <= 4 / 3 + 1e-4


def test_a_crop_is_the_box_enlarged() -> None:
    """A crop of whole pixels, enlarged, has the box's pixels; a crop of everything is the image."""
    batch = images(1, 1, 8, 8).float()
    whole = crop(batch, torch.tensor([[0.0, 0.0, 8.0, 8.0]]))
    torch.testing.assert_close(whole, batch, atol=1e-3, rtol=0)
    quarter = crop(batch, torch.tensor([[4.0, 2.0, 4.0, 4.0]]))
    expected = torch.nn.functional.interpolate(batch[:, :, 4:, 2:6], scale_factor=2, mode="bilinear")
    # Inside the box; at its edges the crop sees the pixels beyond.
    torch.testing.assert_close(quarter[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-3, rtol=0)


def test_mixup_blends_with_partners(make_recipe: MakeRecipe) -> None:
    """Each image is the weighted mean of itself and its partner, every image being a partner once."""
    batch, augmentation = images(), Augmentation(make_recipe(mixup=1.0))
    draws = augmentation.draw(len(batch), torch.Generator().manual_seed(3))
    assert draws.mixing is not None
    weight, partners = draws.mixing.weight, draws.mixing.partners
    assert sorted(partners.tolist()) == list(range(len(batch)))
    assert 0 <= weight <= 1
    expected = weight * batch.float() + (1 - weight) * batch[partners].float()
    torch.testing.assert_close(augmentation(batch, draws), expected)


@pytest.mark.parametrize("policy", ["autoaugment-cifar10", "randaugment"])
def test_a_policy_changes_each_image_in_its_own_way(make_recipe: MakeRecipe, policy: PolicyName) -> None:
    """Copies of one image come out in many forms; torch's own random numbers go on as if nothing had been drawn."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    out = augmented(make_recipe(policy=policy), images(1).expand(32, -1, -1, -1))
    assert torch.equal(torch.rand(3), expected)
    assert len({image.numpy().tobytes() for image in out}) > 8


@pytest.mark.parametrize(
    "fields",
    [{"max_shift": 2, "mirror": True}, {"crop_area": (0.1, 1.0)}, {"policy": "randaugment"}, {"mixup": 0.4}],
    ids=str,
)
def test_the_generator_decides(make_recipe: MakeRecipe, fields: dict[str, object]) -> None:
    """The same seed gives the same augmentation, another seed another."""
    first, again, other = (augmented(make_recipe(**fields), images(), seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_shift_of_nothing_in_the_middle_is_the_image() -> None:
    """Offsets equal to the largest shift leave an image where it is."""
    offsets = torch.from_numpy(np.full((2, 12), 3))
    assert torch.equal(shift(images(), offsets, None, 3), images())
