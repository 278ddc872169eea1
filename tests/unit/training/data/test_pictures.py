"""Pictures in files are what they would be in memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from labels.images.folder import FolderSource
from models.preprocessing import InputSpec, to_input
from training.augmentation import Augmentation, crop_boxes
from training.batches import Batches, steps
from training.data.pictures import FilePictures, PictureError, into_memory
from training.feeds import ResidentImages, StreamedImages, make_feed
from training.recipe import Recipe
from training.training_set import TrainingLabels

N = 40
SPEC = InputSpec(height=12, width=12, channels=3, resize=14)
CPU = torch.device("cpu")


@pytest.fixture
def pictures(tmp_path: Path, png: Callable[..., bytes]) -> FilePictures:
    for i in range(N):
        (tmp_path / f"{i}.png").write_bytes(png(i, 20 + i, 24))
    return FilePictures(FolderSource(tmp_path), [f"{i}.png" for i in range(N)], SPEC)


def test_they_are_indexed_like_an_array(pictures: FilePictures, picture: Callable[..., NDArray[np.uint8]]) -> None:
    """Rows, in any order, and slices give the inputs that each picture makes."""
    expected = np.stack([to_input(picture(i, 20 + i, 24), SPEC) for i in range(N)])
    np.testing.assert_array_equal(pictures[:], expected)
    np.testing.assert_array_equal(pictures[5:9], expected[5:9])
    rows = np.array([7, 3, 3, 39])
    np.testing.assert_array_equal(pictures[rows], expected[rows])
    np.testing.assert_array_equal(pictures.subset(rows)[1:], expected[rows][1:])
    assert len(pictures) == N


def test_only_what_fits_is_held_in_memory(pictures: FilePictures) -> None:
    """Up to the bound pictures are read at once, beyond it they stay in their files."""
    size = N * 12 * 12 * 3
    assert into_memory(pictures, resident_bytes=size - 1) == [pictures]
    (read,) = into_memory(pictures, resident_bytes=size)
    assert isinstance(read, np.ndarray)
    assert isinstance(make_feed(read, None, CPU), ResidentImages)
    assert isinstance(make_feed(pictures, None, CPU), StreamedImages)


@pytest.mark.parametrize("ahead", [1, 4, 100])
def test_a_stream_gives_what_memory_gives(
    pictures: FilePictures,
    make_recipe: Callable[..., Recipe],
    make_labels: Callable[..., TrainingLabels],
    ahead: int,
) -> None:
    """However far it reads ahead, a stream gives the same images for the same steps as memory does, all of them."""
    recipe, labels = make_recipe(batch_size=8), make_labels(np.arange(N) % 3, np.arange(N) < 12)
    found = []
    for feed in (ResidentImages(pictures[:], CPU), StreamedImages(pictures, None, CPU, ahead=ahead)):
        generator = torch.Generator().manual_seed(4)
        taken = steps(Batches(labels, recipe, generator), Augmentation(recipe), generator, 2, 0, 1)
        found.append(list(feed.of(taken)))
    assert len(found[0]) == len(found[1])
    for (one, images), (other, streamed) in zip(*found, strict=True):
        assert one.after["step"] == other.after["step"]
        assert torch.equal(one.after["generator"], other.after["generator"])
        for expected, got in zip(images, streamed, strict=True):
            assert torch.equal(expected, got)


def test_streamed_crops_are_cut_from_the_whole_picture(
    pictures: FilePictures,
    make_recipe: Callable[..., Recipe],
    make_labels: Callable[..., TrainingLabels],
    picture: Callable[..., NDArray[np.uint8]],
) -> None:
    """With crops each image is the drawn box of the original, scaled with antialiasing."""
    recipe = make_recipe(batch_size=8, crop_area=(0.2, 0.6))
    generator = torch.Generator().manual_seed(0)
    labels = make_labels(np.arange(N) % 3, False)
    taken = steps(Batches(labels, recipe, generator), Augmentation(recipe), generator, 1, 0, 1)
    step, (images,) = next(StreamedImages(pictures, recipe.crop_area, CPU).of(taken))
    (part,) = step.parts
    assert part.draws.crops is not None
    for row, draws, image in zip(part.rows.tolist(), part.draws.crops, images, strict=True):
        height, width = 20 + row, 24
        top, left, tall, wide = crop_boxes(draws[None], (0.2, 0.6), height, width)[0].tolist()
        original = Image.fromarray(picture(row, height, width))
        expected = original.resize((12, 12), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall))
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), np.asarray(expected))


def test_a_picture_that_breaks_amid_a_stream_is_named(
    pictures: FilePictures,
    make_recipe: Callable[..., Recipe],
    make_labels: Callable[..., TrainingLabels],
    tmp_path: Path,
) -> None:
    """A file that can't be read when its turn comes ends the epoch with its name, and leaves no thread behind."""
    (tmp_path / "17.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    recipe, generator = make_recipe(batch_size=8), torch.Generator()
    taken = steps(Batches(make_labels(np.zeros(N), False), recipe, generator), Augmentation(recipe), generator, 1, 0, 1)
    with pytest.raises(PictureError, match=r"'17\.png' can't be read"):
        list(StreamedImages(pictures, None, CPU).of(taken))
