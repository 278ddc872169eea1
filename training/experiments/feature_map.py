"""The paper's Figure 1: t-SNE of features of test images, after training on clean and on noisy labels."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from torch import nn

from models.groups import SimilarityGroups
from training.checkpoint import write_whole
from training.data import DataSet
from training.experiments.cells import Cell
from training.experiments.errors import ExperimentError
from training.experiments.features import Features, group_distances
from training.experiments.methods import with_loss
from training.experiments.train_cell import train_cell
from training.losses import LossName
from training.recipe import Recipe

POINTS = 2000
"""Test images that are shown, evenly from among all."""
METHODS: dict[LossName, str] = {"ce": "cross-entropy", "lp": "log-projection"}
NOISES = ("asymmetric:0", "asymmetric:0.8")
_BATCH = 500


def trained_features(
    data: DataSet, folder: Path, recipe: Recipe, recipe_name: str, fabric: Fabric, *, trusted: int = 1000
) -> dict[str, Features]:
    """Features by cross-entropy and by log-projection, on clean and on noisy labels, by titles.

    They are kept in ``figure1/`` below the folder: what is there is not trained again. Raises ``ExperimentError`` for
    data without groups.
    """
    if not data.groups.as_lists():
        raise ExperimentError(f"{data.name} has no groups whose classes could lie near each other")
    shown = {}
    for noise in NOISES:
        for method, title in METHODS.items():
            path = folder / "figure1" / f"{recipe_name}-{data.name}-{method}-{noise.replace(':', '')}.npz"
            if not path.exists():
                cell = Cell(method, noise, trusted, 0, "paper")
                result, network = train_cell(cell, with_loss(method), data, recipe, recipe_name, fabric)
                _features(network, data, result.last, fabric.device).save(path)
            shown[f"{title}, {noise}"] = Features.load(path)
    return shown


def draw_feature_map(shown: Mapping[str, Features], groups: SimilarityGroups, folder: Path) -> list[Path]:
    """Write ``figure1.png``, ``.svg``: a map of each title's features; and ``figure1.md``, the distances in groups."""
    figure = Figure(figsize=(10, 9.6), layout="constrained")
    colours = colormaps["tab20"].colors  # type: ignore[attr-defined] # pairs of a dark and a light one
    order = [k for group in groups.distinct() for k in group]
    for axes, (title, features) in zip(figure.subplots(2, -(-len(shown) // 2)).flat, shown.items(), strict=True):
        places = _places(features.embeddings)
        for n, k in enumerate(order):
            rows = features.labels == k
            axes.scatter(*places[rows].T, s=4, color=colours[n % len(colours)], label=groups.classes[k])
        mean = np.mean(list(group_distances(features.embeddings, features.labels, groups).values()))
        axes.set(title=f"{title}\naccuracy {features.accuracy:.3f}, distance inside groups {mean:.2f}")
        axes.set(xticks=[], yticks=[])
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, markerscale=3)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "figure1.png", folder / "figure1.svg"]
    for path in paths:
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    write_whole(folder / "figure1.md", _markdown(shown, groups).encode())
    return [*paths, folder / "figure1.md"]


def _features(network: nn.Module, data: DataSet, accuracy: float, device: torch.device) -> Features:
    rows = np.linspace(0, len(data.test_labels) - 1, min(POINTS, len(data.test_labels)), dtype=np.int64)
    network.eval()
    parts = []
    for part in np.array_split(rows, -(-len(rows) // _BATCH)):
        with torch.inference_mode():
            images = torch.from_numpy(data.test_images[part]).to(device).permute(0, 3, 1, 2)
            parts.append(network(images)[1].float().cpu().numpy())
    return Features(np.concatenate(parts), data.test_labels[rows], accuracy)


def _places(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE (van der Maaten and Hinton 2008): ``[n, D]`` to ``[n, 2]``."""
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    places: NDArray[np.float32] = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(embeddings)
    return places


def _markdown(shown: Mapping[str, Features], groups: SimilarityGroups) -> str:
    """Distances inside groups as shares of those to other groups, and test accuracies in %."""
    lines: list[str] = []
    for title, features in shown.items():
        distances = group_distances(features.embeddings, features.labels, groups)
        if not lines:
            lines += [
                "| " + " | ".join(["", "accuracy", *distances, "mean"]) + " |",
                "| --- " * (len(distances) + 3) + "|",
            ]
        figures = [*distances.values(), float(np.mean(list(distances.values())))]
        cells = [title, f"{100 * features.accuracy:.2f}", *(f"{each:.2f}" for each in figures)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
