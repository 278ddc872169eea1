"""Noise for a label file whose labels are right."""

from pathlib import Path

import polars as pl
import pytest

from training.noise import Noise, NoiseError
from training.noise_file import add_noise


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    rows = [f"{i}.png,{('cat', 'dog', 'deer', 'ant')[i % 4]},note {i}" for i in range(80)]
    path.write_text("\n".join(["image,label,remark", *rows]) + "\n")
    return path


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    path = tmp_path / "groups.json"
    path.write_text('{"groups": [["cat", "dog"]]}')
    return path


def test_only_labels_change_and_only_as_asked(labels: Path, groups: Path, tmp_path: Path) -> None:
    """The copy has the rows and columns of the file, with exactly the asked share of the group's labels flipped."""
    out = tmp_path / "noisy.csv"
    changed = add_noise(labels, Noise.parse("asymmetric:0.4"), groups, seed=1, out=out)
    before, after = pl.read_csv(labels), pl.read_csv(out)
    assert after.columns == before.columns
    assert after.drop("label").equals(before.drop("label"))
    flips = before["label"] != after["label"]
    assert changed == flips.sum() == 16
    assert set(after["label"].filter(flips)) == {"cat", "dog"}
    assert before["label"].filter(flips).value_counts(sort=True)["count"].to_list() == [8, 8]


def test_the_seed_decides_the_file(labels: Path, tmp_path: Path) -> None:
    """The same seed writes the same file, another seed another."""
    files = [tmp_path / f"{i}.csv" for i in range(3)]
    for seed, out in zip((1, 1, 2), files, strict=True):
        add_noise(labels, Noise.parse("symmetric:0.5"), None, seed=seed, out=out)
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_asymmetric_noise_needs_groups(labels: Path, tmp_path: Path) -> None:
    """Asymmetric noise without groups would flip nothing, so it is refused and nothing is written."""
    with pytest.raises(NoiseError, match="name a groups file"):
        add_noise(labels, Noise.parse("asymmetric:0.4"), None, seed=0, out=tmp_path / "noisy.csv")
    assert not (tmp_path / "noisy.csv").exists()


def test_a_row_without_a_label_is_named(labels: Path, groups: Path, tmp_path: Path) -> None:
    """A file with a missing label can't be the truth of an experiment: the row is named."""
    labels.write_text("image,label\na.png,cat\nb.png,\n")
    with pytest.raises(NoiseError, match=r"labels\.csv: row 2 has no label"):
        add_noise(labels, Noise.parse("asymmetric:0.4"), groups, seed=0, out=tmp_path / "noisy.csv")
