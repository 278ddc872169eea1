"""The figures of a training as TensorBoard reads them."""

from pathlib import Path
from types import TracebackType
from typing import Self

from tensorboardX import SummaryWriter

from training.state import Figures


class Board:
    """Writes event files, an epoch a step; nothing where it is not shown."""

    def __init__(self, folder: Path, *, shown: bool, after: int) -> None:
        """``after`` epochs: what an earlier session wrote of later ones is void."""
        self._writer = SummaryWriter(str(folder), purge_step=after + 1) if shown else None

    def add(self, figures: Figures) -> None:
        """Add the figures of an epoch."""
        if self._writer is not None:
            for name, value in figures.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, int(figures["epoch"]))
            self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
