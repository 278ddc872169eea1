"""Cells of a table: what each is, and the file of those that are done."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from models.errors import LookalikeError
from training.training_set import Protocol


class ResultsError(LookalikeError):
    """The file of results can't be used; the message names the line."""


@dataclass(frozen=True)
class Cell:
    """One training."""

    method: str
    noise: str
    """In the form of ``--noise``."""
    trusted: int
    seed: int
    protocol: Protocol

    def __str__(self) -> str:
        return f"{self.method}, {self.noise}, {self.trusted} trusted, seed {self.seed}"


@dataclass(frozen=True)
class Result:
    """What came of a cell: accuracies are shares of the test split."""

    cell: Cell
    last: float
    """After the last epoch."""
    picked: float
    """After the epoch that was best on held-out samples."""
    best: float
    """The highest after any epoch: the paper's figure, which test labels picked."""
    group_accuracy: float
    """Share of test samples whose predicted class is in the group of the true one; last epoch, as the two below."""
    ece: float
    """Expected calibration error of the last epoch's probabilities as they are."""
    held_out: float
    """Accuracy on the held-out samples."""
    seconds: float
    recipe: str
    """Its name, and what determines a run beside the cell."""
    commit: str
    curve: list[dict[str, float]] = field(default_factory=list)
    """Figures of every epoch."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the method found, for instance the flip rates that the trusted samples show."""


_RESULT = TypeAdapter(Result)


class Results:
    """A file of results, one line of JSON each; several processes may add to it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Result]:
        """All results; raises ``ResultsError`` naming a line that is none."""
        if not self.path.exists():
            return []
        results = []
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            try:
                results.append(_RESULT.validate_json(line))
            except ValidationError as error:
                where = f"{self.path}: line {number}"
                raise ResultsError(f"{where} is no result: {error.errors()[0]['msg']}") from error
        return results

    def add(self, result: Result) -> None:
        """Append a line, at once."""
        line = json.dumps(asdict(result)) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode())
            os.fsync(file.fileno())

    @contextmanager
    def claim(self, cell: Cell) -> Iterator[bool]:
        """Whether the cell is this process's to train: it is not done, and no other process is at it.

        The claim ends with the block, or with the process, however it ends.
        """
        claims = self.path.with_name(f".{self.path.stem}.claims")
        claims.mkdir(parents=True, exist_ok=True)
        name = "-".join(str(part).replace(":", "") for part in asdict(cell).values())
        with (claims / name).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield all(result.cell != cell for result in self.read())
