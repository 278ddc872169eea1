"""Noise for a label file whose labels are right."""

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from training.noise import NoiseError
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
    made = add_noise(labels, "asymmetric:0.4", groups, seed=1, out=out)
    before, after = pl.read_csv(labels), pl.read_csv(out)
    assert after.columns == before.columns
    assert after.drop("label").equals(before.drop("label"))
    flips = before["label"] != after["label"]
    assert made.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert made.changed == flips.sum() == 16
    assert set(after["label"].filter(flips)) == {"cat", "dog"}
    assert before["label"].filter(flips).value_counts(sort=True)["count"].to_list() == [8, 8]


def test_the_seed_decides_the_file(labels: Path, tmp_path: Path) -> None:
    """The same seed writes the same file, another seed another."""
    files = [tmp_path / f"{i}.csv" for i in range(3)]
    for seed, out in zip((1, 1, 2), files, strict=True):
        add_noise(labels, "symmetric:0.5", None, seed=seed, out=out)
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_asymmetric_noise_needs_groups(labels: Path, tmp_path: Path) -> None:
    """Asymmetric noise without groups would flip nothing, so it is refused and nothing is written."""
    with pytest.raises(NoiseError, match="name a groups file"):
        add_noise(labels, "asymmetric:0.4", None, seed=0, out=tmp_path / "noisy.csv")
    assert not (tmp_path / "noisy.csv").exists()


def test_a_row_without_a_label_is_named(labels: Path, groups: Path, tmp_path: Path) -> None:
    """A file with a missing label can't be the truth of an experiment: the row is named."""
    labels.write_text("image,label\na.png,cat\nb.png,\n")
    with pytest.raises(NoiseError, match=r"labels\.csv: row 2 has no label"):
        add_noise(labels, "asymmetric:0.4", groups, seed=0, out=tmp_path / "noisy.csv")


def test_a_transition_matrix_is_met_exactly(labels: Path, tmp_path: Path) -> None:
    """Each class's labels become what the matrix of a file says, in exactly those numbers, whatever its order."""
    matrix = tmp_path / "rates.json"
    rates = [[0.5, 0.25, 0.25, 0], [0, 1, 0, 0], [0, 0.1, 0.9, 0], [0, 0, 0, 1]]
    matrix.write_text(json.dumps({"classes": ["dog", "cat", "deer", "ant"], "rates": rates}))
    out = tmp_path / "noisy.csv"
    assert add_noise(labels, f"transition:{matrix}", None, seed=0, out=out).changed == 12
    before, after = pl.read_csv(labels)["label"], pl.read_csv(out)["label"]
    counts = pl.DataFrame({"before": before, "after": after}).group_by(pl.all()).len()
    assert {(a, b): n for a, b, n in counts.iter_rows()} == {
        ("dog", "dog"): 10,
        ("dog", "cat"): 5,
        ("dog", "deer"): 5,
        ("cat", "cat"): 20,
        ("deer", "deer"): 18,
        ("deer", "cat"): 2,
        ("ant", "ant"): 20,
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"classes": ["dog", "cat", "deer", "bee"]}, "classes must be 'ant', 'cat', 'deer', 'dog'"),
        ({"rates": [[1, 0], [0, 1]]}, "rates must be 4 rows of 4 numbers"),
        ({"rates": [[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, "the row of 'dog' is not a distrib"),
        ({"rates": [["x"]]}, "rates.0.0"),
    ],
)
def test_a_wrong_transition_matrix_names_the_row(
    labels: Path, tmp_path: Path, change: dict[str, object], named: str
) -> None:
    """A matrix that doesn't fit the file's classes, or has a row that is no distribution, is refused by its place."""
    matrix = tmp_path / "rates.json"
    whole = {"classes": ["dog", "cat", "deer", "ant"], "rates": [[float(a == b) for b in range(4)] for a in range(4)]}
    matrix.write_text(json.dumps(whole | change))
    with pytest.raises(NoiseError, match=f"rates.json: {named}"):
        add_noise(labels, f"transition:{matrix}", None, seed=0, out=tmp_path / "noisy.csv")


def test_confusion_flips_what_the_model_doubts(labels: Path, groups: Path, tmp_path: Path) -> None:
    """With probability columns, exactly the asked share of a class is flipped, mostly where another class is seen."""
    table = pl.read_csv(labels)
    doubted = [i % 8 < 4 for i in range(80)]  # half of each class
    other = {"cat": "dog", "dog": "cat", "deer": "ant", "ant": "deer"}
    columns = {
        f"prob_{name}": [
            (0.5 if doubt else 0.999) if label == name else (0.5 if doubt else 0.001) * (other[label] == name)
            for label, doubt in zip(table["label"], doubted, strict=True)
        ]
        for name in other
    }
    table.with_columns(**{name: pl.Series(values) for name, values in columns.items()}).write_csv(labels)
    out = tmp_path / "noisy.csv"
    assert add_noise(labels, "confusion:0.4", groups, seed=0, out=out).changed == 16  # deer and ants stand alone
    flipped = (table["label"] != pl.read_csv(out)["label"]).to_list()
    assert sum(doubt for doubt, wrong in zip(doubted, flipped, strict=True) if wrong) == 16
    assert add_noise(labels, "confusion:0.4", None, seed=0, out=out).changed == 32
    with pytest.raises(NoiseError, match="ratio must be in"):
        add_noise(labels, "confusion:1.4", None, seed=0, out=out)


def test_confusion_needs_probabilities(labels: Path, tmp_path: Path) -> None:
    """Without probability columns, noise by confusion says which columns it lacks."""
    with pytest.raises(NoiseError, match="needs a column prob_<class> for every class"):
        add_noise(labels, "confusion:0.4", None, seed=0, out=tmp_path / "noisy.csv")
