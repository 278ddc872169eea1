"""Files that are written whole, or not at all."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboardX.proto.event_pb2 import Event

from training.board import Board
from training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, write_whole


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to make any file larger, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    """Where there is no room for a new checkpoint the old one stays whole, with nothing beside it."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"weights": torch.zeros(10)})
    with (
        files_of_at_most(20_000),
        pytest.raises(CheckpointError, match=r"checkpoint\.pt can't be written .*still there"),
    ):
        save_checkpoint(path, {"weights": torch.zeros(100_000)})
    assert torch.equal(load_checkpoint(path)["weights"], torch.zeros(10))
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_stops_a_training_that_can_go_on_later(start: Callable[..., Any], tmp_path: Path) -> None:
    """A training that runs out of disk names the file, and later goes on to the weights that it would have had."""
    whole, path = start(), tmp_path / "checkpoint.pt"
    whole.run()
    stopped = start(checkpoint=path).epochs()
    next(stopped)
    with files_of_at_most(1000), pytest.raises(CheckpointError, match=r"checkpoint\.pt can't be written"):
        next(stopped)
    assert len(load_checkpoint(path)["epochs"]) == 1
    resumed = start(checkpoint=path)
    resumed.run()
    assert resumed.ends_as(whole)


def test_a_file_that_cannot_be_begun_is_named(tmp_path: Path) -> None:
    """A folder that isn't there is an error with the file's name."""
    with pytest.raises(CheckpointError, match=r"nowhere/file can't be written \(No such file or directory\)$"):
        write_whole(tmp_path / "nowhere" / "file", b"")


def test_tensorboard_reads_the_figures(tmp_path: Path) -> None:
    """Each figure of an epoch is a point of an event file, and a later session voids what it repeats."""
    with Board(tmp_path, shown=True, after=0) as board:
        board.add({"epoch": 1, "loss": 0.5, "validation_accuracy": 0.75})
    (file,) = tmp_path.iterdir()
    events, data = [], file.read_bytes()
    while data:  # records: length, its checksum, content, its checksum
        length = int.from_bytes(data[:8], "little")
        events.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    points = {value.tag: (event.step, value.simple_value) for event in events for value in event.summary.value}
    assert points == {"loss": (1, 0.5), "validation_accuracy": (1, 0.75)}


def test_only_one_process_writes_for_tensorboard(tmp_path: Path) -> None:
    """The others leave no file."""
    with Board(tmp_path, shown=False, after=0) as board:
        board.add({"epoch": 1, "loss": 0.5})
    assert not list(tmp_path.iterdir())
