"""Tables that are trained cell by cell."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.groups import SimilarityGroups
from training.data import DataSet, load_fashion_mnist
from training.experiments.cells import Cell, Result, Results, ResultsError
from training.experiments.cli import experiment
from training.experiments.errors import ExperimentError
from training.experiments.methods import audit, ceiling, strong, swapped, trusted_alone, with_loss
from training.experiments.table import Column, Row, Table
from training.experiments.tables import STRONG, TABLES
from training.experiments.train_cell import train_cell
from training.noise import Noise
from training.recipe import Recipe
from training.training_set import TrainingLabels

GROUPS = SimilarityGroups.from_lists("abcd", ["ab", "cd"])
CELL = Cell("lp", "asymmetric:0.4", 40, 0, "verified")
TABLE = Table(
    "",
    "verified",
    (Row("one", "lp", with_loss("lp")), Row("ceiling", "ceiling", ceiling, sees_flips=False)),
    (Column("0.4", "asymmetric:0.4", 40, 2), Column("0", "asymmetric:0", 40, 1)),
)


def result(cell: Cell, accuracy: float) -> Result:
    return Result(cell, accuracy, accuracy, accuracy, 1.0, 0.0, accuracy, 1.0, "quick", "abc")


def drawn(columns: DataSet, ratio: float, trusted: int = 80) -> tuple[TrainingLabels, NDArray[np.int64]]:
    truth = columns.labels
    noise = Noise("asymmetric", ratio)
    rng = np.random.default_rng(0)
    kept = TrainingLabels.draw(
        np.arange(len(truth)), truth, GROUPS, noise=noise, trusted=trusted, protocol="verified", rng=rng
    )
    return kept, truth


def test_a_cell_is_trained_and_measured(columns: DataSet, make_recipe: Callable[..., Recipe]) -> None:
    """A cell yields the three accuracies in their order, and the same ones again from the same seed."""
    recipe = make_recipe(ema=0.9)
    for row in STRONG.rows:
        if row.name == "audit":  # knows Fashion-MNIST alone
            continue
        done, _ = train_cell(replace(CELL, method=row.name), row.method, columns, recipe, "tiny")
        assert done.last <= done.best >= done.picked
        assert [epoch["epoch"] for epoch in done.curve][:2] == [1, 2]
    again, _ = train_cell(replace(CELL, method=row.name), row.method, columns, recipe, "tiny")
    assert replace(again, seconds=0, curve=[]) == replace(done, seconds=0, curve=[])


def test_most_flips_are_flipped_back(columns: DataSet) -> None:
    """Where the trusted samples show that most labels are flipped, correction swaps them; where few are, it doesn't."""
    for ratio, wrong in ((0.8, 0.2), (0.2, 0.2)):
        labels, truth = drawn(columns, ratio)
        lesson = swapped(labels, columns, _recipe())
        untrusted = ~lesson.labels.trusted
        assert (lesson.labels.given != truth)[untrusted].mean() == pytest.approx(wrong, abs=0.03)
        assert (lesson.labels.given == truth)[~untrusted].all()


def test_strong_reads_rates_off_the_trusted_samples(columns: DataSet) -> None:
    """A label's confidence is in the class that mostly bears it by the trusted samples, however many are flipped."""
    labels, _ = drawn(columns, 0.8, trusted=400)
    lesson = strong(labels, columns, _recipe())
    z = torch.zeros(1, 4, requires_grad=True)
    lesson.loss(z, torch.tensor([0]), torch.tensor([False])).backward()
    assert z.grad is not None
    assert z.grad[0].argmin() == 1
    assert np.mean(lesson.notes["flip_rates"]) == pytest.approx(0.8, abs=0.08)


def test_an_audit_finds_the_rates_that_trusted_samples_show() -> None:
    """On Fashion-MNIST the shipped model's audit of images it never saw finds the flip rates to three hundredths."""
    fashion = load_fashion_mnist(None)
    index = np.sort(np.concatenate([fashion.split.training[:100], fashion.split.reserve[:4000]]))
    labels = TrainingLabels.draw(
        index,
        fashion.labels[index],
        fashion.groups,
        noise=Noise("asymmetric", 0.4),
        trusted=100,
        protocol="verified",
        rng=np.random.default_rng(0),
    )
    lesson = audit(labels, fashion, _recipe())
    assert lesson.notes["audited"] > 3800
    assert np.mean(lesson.notes["flip_rates"]) == pytest.approx(0.4, abs=0.03)


def test_a_baseline_sees_only_what_it_may(columns: DataSet) -> None:
    """The ceiling alone sees true labels, and trusted samples alone are nothing but the trusted samples."""
    labels, truth = drawn(columns, 0.5)
    assert (ceiling(labels, columns, _recipe()).labels.given == truth).all()
    alone = trusted_alone(labels, columns, _recipe()).labels
    assert len(np.unique(alone.index)) == 80
    assert len(alone.given) == 120  # a quarter of all
    assert (alone.given == truth[alone.index]).all()
    assert (with_loss("ce")(labels, columns, _recipe()).labels.given == labels.given).all()


def test_results_are_added_and_read_again(tmp_path: Path) -> None:
    """A result is a line of JSON that is read back the same; a line that is none is named."""
    file = Results(tmp_path / "deeper" / "t.jsonl")
    assert file.read() == []
    results = [result(replace(CELL, seed=seed), 0.5 + seed / 10) for seed in range(3)]
    for each in results:
        file.add(each)
    assert file.read() == results
    assert json.loads(file.path.read_text().splitlines()[1])["cell"]["seed"] == 1
    with file.path.open("a") as lines:
        lines.write('{"cell": 1}\n')
    with pytest.raises(ResultsError, match=r"t\.jsonl: line 4 is no result"):
        file.read()


def test_a_cell_is_trained_by_one_and_once(tmp_path: Path) -> None:
    """While one process has a cell no other gets it; when it is done nobody does; when it was dropped anybody does."""
    one, other = (Results(tmp_path / "t.jsonl") for _ in range(2))
    with one.claim(CELL) as mine, other.claim(CELL) as theirs, other.claim(replace(CELL, seed=1)) as free:
        assert (mine, theirs, free) == (True, False, True)
    with other.claim(CELL) as theirs:
        assert theirs
        other.add(result(CELL, 0.5))
    with one.claim(CELL) as mine:
        assert not mine


def test_a_table_has_each_cell_once() -> None:
    """Rows blind to flips have one cell a seed for all flip rates, and first seeds come before second ones."""
    cells = [cell for cell, _ in TABLE.cells()]
    assert len(cells) == len(set(cells))
    assert [(cell.method, cell.noise, cell.seed) for cell in cells] == [
        ("lp", "asymmetric:0.4", 0),
        ("ceiling", "none", 0),
        ("lp", "asymmetric:0", 0),
        ("lp", "asymmetric:0.4", 1),
        ("ceiling", "none", 1),
    ]
    for table in TABLES.values():
        every = [cell for cell, _ in table.cells()]
        assert len(every) == len(set(every)) > 0


def test_a_table_says_what_is_missing() -> None:
    """Markdown has mean and deviation over the seeds, says where some are missing, and leaves open what is.

    There is a table for each of the three accuracies.
    """
    done = [
        replace(result(CELL, 0.9), best=0.97),
        result(replace(CELL, seed=1), 0.92),
        result(Cell("ceiling", "none", 40, 0, "verified"), 0.95),
    ]
    lines = TABLE.markdown(done).splitlines()
    assert [line for line in lines if line.endswith(":")] == [
        "After the last epoch:",
        "After the epoch that is best on validation images:",
        "After the epoch that is best on the test split itself, as the paper has it:",
    ]
    assert lines[-2] == "| one | … | 94.50 ± 3.54 |"
    assert lines[0] == "3 of 5 cells are done."
    assert lines[4:8] == [
        "|  | 0 | 0.4 |",
        "| --- | --- | --- |",
        "| one | … | 91.00 ± 1.41 |",
        "| ceiling | 95.00 | 95.00 (1 of 2) |",
    ]


def test_a_row_may_do_with_fewer_seeds() -> None:
    """A row that says how many seeds are enough has no more, and its figure is whole with them."""
    table = replace(TABLE, rows=(replace(TABLE.rows[0], most_seeds=1),))
    assert [cell.seed for cell, _ in table.cells()] == [0, 0]
    assert "| one | … | 90.00 |" in table.markdown([result(CELL, 0.9)])


def test_the_command_writes_what_is_there(tmp_path: Path) -> None:
    """Without a cell to train the command writes the table of results so far; an unknown name, or row, is refused."""
    cell = next(cell for cell, _ in TABLES["table1"].cells())
    Results(tmp_path / "table1.jsonl").add(result(cell, 0.5))
    experiment("table1", results=tmp_path, cells=0)
    assert "50.00" in (tmp_path / "table1.md").read_text()
    with pytest.raises(ExperimentError, match="no experiment 'table9'; there are strong-table, table1"):
        experiment("table9", results=tmp_path, cells=0)
    with pytest.raises(ExperimentError, match="no row 'strong'; its rows are ce, pce"):
        experiment("table1", results=tmp_path, rows=["strong"], cells=0)


def _recipe() -> Recipe:
    from training.recipe import load_recipe

    return load_recipe("quick")
