"""Figures as files."""

from pathlib import Path

import numpy as np
import pytest

from training.experiments.cells import Cell, Result
from training.experiments.curves import CurvesError, draw_curves
from training.experiments.loss_surface import draw_loss_surface, loss_surface
from training.losses.relaxed_targets import Relaxation


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
