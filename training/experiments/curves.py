"""The paper's Figure 2: accuracy on the given training labels and on the test split, epoch by epoch."""

from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.errors import LookalikeError
from training.experiments.cells import Result

METHODS = {"ce": "cross-entropy", "lp": "log-projection"}


class CurvesError(LookalikeError):
    """There is nothing to draw yet; the message says what to train."""


def draw_curves(results: Iterable[Result], noise: str, folder: Path) -> list[Path]:
    """Write ``figure2.png`` and ``figure2.svg`` from the first seeds of a table's cells at a noise."""
    cells = {
        result.cell.method: result
        for result in results
        if result.cell.seed == 0 and result.cell.noise == noise and result.cell.trusted == 1000
    }
    if missing := METHODS.keys() - cells.keys():
        raise CurvesError(f"no results of {', '.join(sorted(missing))} at {noise} yet: train table1 first")
    figure = Figure(figsize=(5 * len(METHODS), 3.6), layout="constrained")
    for axes, (method, title) in zip(figure.subplots(1, len(METHODS), sharey=True), METHODS.items(), strict=True):
        curve = cells[method].curve
        epochs = [epoch["epoch"] for epoch in curve]
        for name, label in (("given_accuracy", "training images, given labels"), ("test_accuracy", "test split")):
            axes.plot(epochs, [100 * epoch[name] for epoch in curve], marker="o", markersize=3, label=label)
        axes.set(title=f"{title}, {noise}", xlabel="epoch", ylim=(0, 100))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("accuracy in %")
    figure.axes[0].legend()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "figure2.png", folder / "figure2.svg"]
    for path in paths:
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths
