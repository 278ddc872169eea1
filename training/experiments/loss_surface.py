"""The paper's Figure 3: the log-projection loss over the probabilities of a pair, with the zone where it is zero."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.confidence_labels import from_groups
from models.groups import SimilarityGroups
from training.losses.log_projection import LogProjection
from training.losses.relaxed_targets import Relaxation

RELAXATIONS = (Relaxation(0.85), Relaxation(), Relaxation(1.2), Relaxation(None))
POINTS = 201


def loss_surface(relaxation: Relaxation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities ``[POINTS]``, and the loss of an untrusted sample of class a of a pair, ``[p_b, p_a]``.

    Labels are the paper's 0.6/0.4; what is left of 1 is a third class's. NaN where the sum is more.
    """
    loss = LogProjection(from_groups(SimilarityGroups.from_lists("abc", ["ab"])), relaxation)
    grid = np.linspace(0, 1, POINTS)
    a, b = np.meshgrid(grid, grid)
    possible = a + b <= 1 + 1e-9
    p = torch.from_numpy(np.stack([a[possible], b[possible], np.maximum(0, 1 - a - b)[possible]], axis=1))
    one = torch.zeros(1, dtype=torch.long)
    surface = np.full(a.shape, np.nan)
    surface[possible] = torch.vmap(lambda z: loss(z[None], one, one))(p.clamp(min=1e-12).log()).numpy()
    return grid, surface


def draw_loss_surface(folder: Path) -> list[Path]:
    """Write ``figure3.png`` and ``figure3.svg``: the loss at several scales of the relaxation."""
    figure = Figure(figsize=(4 * len(RELAXATIONS), 4.2), layout="constrained")
    for axes, relaxation in zip(figure.subplots(1, len(RELAXATIONS), sharey=True), RELAXATIONS, strict=True):
        grid, surface = loss_surface(relaxation)
        shades = axes.contourf(grid, grid, np.minimum(surface, 3), levels=np.linspace(0, 3, 13), cmap="Blues")
        axes.contourf(grid, grid, np.where(surface == 0, 1.0, np.nan), levels=[0.5, 1.5], colors=["#f2b134"])
        axes.plot([0, 1], [1, 0], color="black", linewidth=0.8)
        axes.set(title=f"relaxation {relaxation}", xlabel="p of the given class", aspect="equal")
    figure.axes[0].set_ylabel("p of its partner")
    figure.colorbar(shades, ax=figure.axes, shrink=0.8, label="loss of an untrusted sample (orange: zero)")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "figure3.png", folder / "figure3.svg"]
    for path in paths:
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths
