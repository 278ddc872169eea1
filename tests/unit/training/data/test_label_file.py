"""A person's own label file: who is trusted, what was said before, what can't be used."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labels.errors import LabelFileError
from models.groups import GroupsError, read_groups
from training.data.label_file import load_label_file
from training.data.pictures import PictureError
from training.data.source import DataSource, DataSourceError

Png = Callable[..., bytes]
ROWS = 60


@pytest.fixture
def images(tmp_path: Path, png: Png) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(ROWS):
        (folder / f"{i}.png").write_bytes(png(i))
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Cats and dogs in turn, the first 40 trusted, of which every tenth was called otherwise before."""
    lines = ["image,label,trusted,original_label,p_wrong"]
    for i in range(ROWS):
        label = ("cat", "dog")[i % 2]
        before = ("cat", "dog")[(i + (i % 10 == 0)) % 2]
        lines.append(f"{i}.png,{label},{'true' if i < 40 else ''},{before if i < 40 else ''},0.1")
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_trusted_rows_and_what_they_said_before(labels: Path, images: Path) -> None:
    """Trusted rows are known as such, with their label from before the review; a fifth of them are held out."""
    data = load_label_file(labels, images, size=None, bad_images="stop")
    assert data.classes == ("cat", "dog")
    assert (data.input.height, data.input.width, data.input.channels) == (20, 24, 3)
    assert data.trust is not None
    np.testing.assert_array_equal(data.labels, np.arange(ROWS) % 2)
    np.testing.assert_array_equal(data.trust.trusted, np.arange(ROWS) < 40)
    changed = (np.arange(ROWS) % 10 == 0) & (np.arange(ROWS) < 40)
    np.testing.assert_array_equal(data.trust.original != data.labels, changed)
    assert len(data.split.validation) == 8
    assert data.trust.trusted[data.split.validation].all()
    np.testing.assert_array_equal(np.bincount(data.labels[data.split.validation]), [4, 4])
    assert not set(data.split.validation) & set(data.split.training)
    assert data.warnings == ()


def test_without_trusted_rows_nothing_can_be_calibrated(tmp_path: Path, images: Path) -> None:
    """A file that says nothing of trust is all training, and a warning says what that means."""
    path = tmp_path / "plain.csv"
    path.write_text("image,label\n" + "".join(f"{i}.png,{i % 3}\n" for i in range(ROWS)))
    data = load_label_file(path, images, size=16, bad_images="stop")
    assert data.classes == ("0", "1", "2")
    assert len(data.split.training) == ROWS
    assert "uncalibrated" in data.warnings[-1]


def test_class_numbers_are_sorted_as_numbers(tmp_path: Path, images: Path) -> None:
    """Labels that are numbers keep their order: 10 comes after 9."""
    path = tmp_path / "numbers.csv"
    path.write_text("image,label\n" + "".join(f"{i}.png,{i % 12}\n" for i in range(ROWS)))
    assert load_label_file(path, images, size=16, bad_images="stop").classes == tuple(str(i) for i in range(12))


def test_images_may_be_in_an_archive(labels: Path, images: Path, tmp_path: Path) -> None:
    """A zip file gives the same pixels as the folder."""
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in images.iterdir():
            file.write(path, path.name)
    np.testing.assert_array_equal(
        load_label_file(labels, archive, size=None, bad_images="stop").images[:],
        load_label_file(labels, images, size=None, bad_images="stop").images[:],
    )


def test_a_missing_image_stops_or_is_left_out(labels: Path, images: Path) -> None:
    """An image that isn't there is named; asked to skip, its row is left out with a warning."""
    (images / "50.png").unlink()
    with pytest.raises(PictureError, match=r"there is no image '50\.png'"):
        load_label_file(labels, images, size=None, bad_images="stop")
    data = load_label_file(labels, images, size=None, bad_images="skip")
    assert len(data.labels) == ROWS - 1
    np.testing.assert_array_equal(data.labels, np.delete(np.arange(ROWS) % 2, 50))
    assert data.warnings == ("1 of 60 images can't be read and are left out: '50.png'.",)


def test_rows_without_a_label_are_left_out(labels: Path, images: Path) -> None:
    """A row whose label is empty is left out, and a warning names it."""
    labels.write_text(labels.read_text().replace("57.png,dog", "57.png,"))
    data = load_label_file(labels, images, size=None, bad_images="stop")
    assert len(data.labels) == ROWS - 1
    assert data.warnings == ("1 rows lack a label or an image and are left out: row 58.",)


def test_groups_that_name_no_class_are_refused(labels: Path, images: Path, tmp_path: Path) -> None:
    """A groups file for other classes is refused by the name that is none."""
    data = load_label_file(labels, images, size=None, bad_images="stop")
    groups = tmp_path / "groups.json"
    groups.write_text('{"groups": [["cat", "wolf"]]}')
    with pytest.raises(GroupsError, match="'wolf', which is not one of the classes"):
        read_groups(groups, data.classes)


def test_one_class_is_too_few(tmp_path: Path, images: Path) -> None:
    """A file with labels of a single class says that two are the least."""
    path = tmp_path / "one.csv"
    path.write_text("image,label\n0.png,cat\n1.png,cat\n")
    with pytest.raises(LabelFileError, match=r"one\.csv: there are labels of 1 classes: two are the least"):
        load_label_file(path, images, size=16, bad_images="stop")


def test_a_file_that_changed_is_not_gone_on_with(labels: Path, images: Path) -> None:
    """Where a run's label file is another one by now, loading it again is refused."""
    source = DataSource.of_label_file(labels, images, size=None, bad_images="stop")
    assert source.load().classes == ("cat", "dog")
    labels.write_text(labels.read_text().replace("0.png,cat", "0.png,dog", 1))
    with pytest.raises(DataSourceError, match=r"labels\.csv has changed since the run was started"):
        source.load()


def test_a_data_set_needs_its_place() -> None:
    """A data set that is installed nowhere asks for its folder."""
    with pytest.raises(DataSourceError, match="where is cifar10"):
        DataSource(name="cifar10").load()
