"""Figures as files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.groups import SimilarityGroups
from training.data import DataSet
from training.devices import make_fabric
from training.experiments.cells import Cell, Result
from training.experiments.curves import CurvesError, draw_curves
from training.experiments.errors import ExperimentError
from training.experiments.feature_map import draw_feature_map, trained_features
from training.experiments.features import Features, group_distances
from training.experiments.loss_surface import draw_loss_surface, loss_surface
from training.losses.relaxed_targets import Relaxation
from training.recipe import Recipe


def curve(method: str) -> Result:
    epochs = [{"epoch": n, "given_accuracy": 0.2 * n, "test_accuracy": 0.3 * n} for n in (1.0, 2.0)]
    cell = Cell(method, "asymmetric:0.8", 1000, 0, "paper")
    return Result(cell, 0.6, 0.6, 0.6, 1.0, 0.0, 0.6, 1.0, "quick", "abc", curve=epochs)


def test_the_dead_zone_is_where_the_formula_has_it() -> None:
    """The surface is zero exactly from 0.6 p_a + 0.4 p_b = scale * 0.52^1.5 on, and no number where p exceeds 1."""
    for scale in (0.85, 1.0, 1.2):
        grid, surface = loss_surface(Relaxation(scale))
        a, b = np.meshgrid(grid, grid)
        product = 0.6 * a + 0.4 * b
        inside = a + b <= 1 + 1e-9
        assert np.array_equal(np.isnan(surface), ~inside)
        clear = inside & (np.abs(product - scale * 0.52**1.5) > 1e-6)
        assert ((surface == 0) == (product > scale * 0.52**1.5))[clear].all()


def test_the_loss_surface_is_drawn(tmp_path: Path) -> None:
    """Figure 3 is written as PNG and SVG."""
    png, svg = draw_loss_surface(tmp_path / "figures")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()


def test_curves_are_drawn_from_results(tmp_path: Path) -> None:
    """Figure 2 takes both methods' first seeds; while one is missing it says what to train."""
    png, svg = draw_curves([curve("ce"), curve("lp")], "asymmetric:0.8", tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()
    with pytest.raises(CurvesError, match=r"no results of lp at asymmetric:0\.8 yet: train table1 first"):
        draw_curves([curve("ce")], "asymmetric:0.8", tmp_path)


def test_distances_inside_groups_are_shares_of_those_outside() -> None:
    """Two pairs whose classes are 1 and 3 apart, 4 from one another: each a share of that; lone classes have none."""
    groups = SimilarityGroups.from_lists("abcde", ["ab", "cd"])
    means = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 4.0], [3.0, 4.0], [9.0, 9.0]])
    labels = np.arange(50) % 5
    jitter = np.where(np.arange(50) % 10 < 5, 0.5, -0.5)[:, None]  # which cancels in every class
    distances = group_distances(means[labels] + jitter, labels, groups)
    assert list(distances) == ["a, b", "c, d"]
    for name, group, others in (("a, b", [0, 1], [2, 3, 4]), ("c, d", [2, 3], [0, 1, 4])):
        outside = np.mean([np.hypot(*(means[i] - means[j])) for i in group for j in others])
        inside = np.hypot(*(means[group[0]] - means[group[1]]))
        assert distances[name] == pytest.approx(inside / outside)


def test_features_are_trained_once(tmp_path: Path, columns: DataSet, make_recipe: Callable[..., Recipe]) -> None:
    """Four networks give their features of test images; asked again, none of them is trained anew."""
    shown, again = (
        trained_features(columns, tmp_path, make_recipe(), "tiny", make_fabric("cpu"), trusted=80) for _ in range(2)
    )
    assert len(shown) == 4
    for title, features in shown.items():
        assert features.embeddings.shape == (80, 8)
        np.testing.assert_array_equal(features.labels, columns.test_labels)
        np.testing.assert_array_equal(features.embeddings, again[title].embeddings)
    assert len({path.stat().st_mtime_ns for path in (tmp_path / "figure1").iterdir()}) == 4
    lone = replace(columns, groups=SimilarityGroups.singletons(columns.classes))
    with pytest.raises(ExperimentError, match="columns has no groups"):
        trained_features(lone, tmp_path, make_recipe(), "tiny", make_fabric("cpu"))


def test_features_are_mapped(tmp_path: Path) -> None:
    """Figure 1 is a map of each network's features, with a table of accuracies and of distances inside each group."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 4
    shown = {
        title: Features(rng.normal(labels[:, None], 0.1, (40, 3)).astype(np.float32), labels, 0.75)
        for title in ("one", "other")
    }
    png, svg, markdown = draw_feature_map(shown, SimilarityGroups.from_lists("abcd", ["ab", "cd"]), tmp_path / "deep")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()
    head, _, one, other = markdown.read_text().splitlines()
    assert head == "|  | accuracy | a, b | c, d | mean |"
    assert one.startswith("| one | 75.00 | 0.5")  # 1 apart, 1, 2, 2 and 3 from the others
    assert other.startswith("| other | 75.00 | 0.5")
