"""Food-101N and Food-101 in their published layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from labels.fashion_mnist import DataSetError, DataSetNotFoundError
from training.data.food101 import load_food101n
from training.experiments.tables import TABLES
from training.experiments.train_cell import train_cell
from training.recipe import Recipe

CLASSES = ("apple_pie", "baklava", "waffles")


@pytest.fixture
def food(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    noisy, clean = tmp_path / "Food-101N_release", tmp_path / "food-101"
    for folder in (noisy, clean):
        (folder / "meta").mkdir(parents=True)
    keys = [f"{name}/{i:032x}.jpg" for name in CLASSES for i in range(4)]
    tests = [f"{name}/{i}" for name in CLASSES for i in range(2)]
    (noisy / "meta" / "classes.txt").write_text("class_name\n" + "".join(f"{name}\n" for name in CLASSES))
    (noisy / "meta" / "imagelist.tsv").write_text("class_name/key\n" + "".join(f"{key}\n" for key in keys))
    header = "class_name/key\tverification_label\n"
    (noisy / "meta" / "verified_train.tsv").write_text(header + f"{keys[0]}\t1\n{keys[1]}\t0\n{keys[4]}\t1\n")
    (noisy / "meta" / "verified_val.tsv").write_text(header + f"{keys[5]}\t1\n{keys[6]}\t0\n")
    (clean / "meta" / "test.txt").write_text("".join(f"{key}\n" for key in tests))
    for folder, names in ((noisy, keys), (clean, [f"{key}.jpg" for key in tests])):
        for i, name in enumerate(names):
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(i))
    return tmp_path


def test_it_is_read_as_published(food: Path) -> None:
    """Verified right labels are trusted or held out, wrong ones are not, and the test images are those of Food-101."""
    data = load_food101n(food, size=16, bad_images="stop")
    assert data.classes == CLASSES
    np.testing.assert_array_equal(data.labels, [0] * 4 + [1] * 4 + [2] * 4)
    assert data.trust is not None
    np.testing.assert_array_equal(np.flatnonzero(data.trust.trusted), [0, 4, 5])
    np.testing.assert_array_equal(data.split.validation, [5])
    np.testing.assert_array_equal(data.split.training, [0, 1, 2, 3, 4, 7, 8, 9, 10, 11])
    np.testing.assert_array_equal(data.test_labels, [0, 0, 1, 1, 2, 2])
    assert data.images[:].shape == (12, 16, 16, 3)
    assert data.test_images[:].shape == (6, 16, 16, 3)


def test_table_5_is_trained_of_it(food: Path, make_recipe: Callable[..., Recipe]) -> None:
    """Its row is cross-entropy on the labels as they came, watched on verified images and tested on Food-101's."""
    data = load_food101n(food, size=16, bad_images="stop")
    ((cell, method),) = TABLES["table5"].cells()
    recipe = make_recipe(batch_size=4, schedule={"kind": "plateau", "watch": "validation_loss"})
    result, network = train_cell(cell, method, data, recipe, "tiny")
    assert [epoch["epoch"] for epoch in result.curve] == [1, 2]
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(data.test_images[:]).permute(0, 3, 1, 2))[0].argmax(1).numpy()
    assert result.last == pytest.approx((found == data.test_labels).mean(), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("imagelist.tsv", "apple_pie/a.jpg\n", r"imagelist\.tsv does not begin with the line 'class_name/key'"),
        ("imagelist.tsv", "class_name/key\npizza/a.jpg\n", r"imagelist\.tsv: 'pizza/a\.jpg' begins with no class"),
        ("verified_val.tsv", "class_name/key\tverification_label\na\t2\n", r"verified_val\.tsv, line 2: 'a\\t2'"),
    ],
)
def test_what_is_wrong_is_named(food: Path, name: str, content: str, message: str) -> None:
    """A list that is not as published is named with the place."""
    (food / "Food-101N_release" / "meta" / name).write_text(content)
    with pytest.raises(DataSetError, match=message):
        load_food101n(food, size=16, bad_images="stop")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    """A folder without Food-101N says what belongs there."""
    with pytest.raises(DataSetNotFoundError, match="holds no Food-101N_release"):
        load_food101n(tmp_path, size=16, bad_images="stop")
