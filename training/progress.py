"""How far a training is, and how long it will take, on stderr."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class ProgressBar:
    """A bar over all steps with the epoch, the loss and the time left; on a terminal only."""

    def __init__(self, epochs: int, steps: int, *, shown: bool) -> None:
        """``steps`` are those of an epoch."""
        self._steps = steps
        self._progress = Progress(
            TextColumn(f"epoch {{task.fields[epoch]}}/{epochs}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=(console := Console(stderr=True)),
            disable=not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", total=epochs * steps, epoch=1, loss=float("nan"))

    def show(self, epoch: int, step: int, loss: float) -> None:
        """Set it to a step of an epoch, both counted from 1."""
        self._progress.update(self._task, completed=(epoch - 1) * self._steps + step, epoch=epoch, loss=loss)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
