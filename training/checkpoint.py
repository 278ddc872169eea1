"""Files that are written whole or not at all, and the one that a training goes on from."""

import io
import os
from pathlib import Path
from typing import Any

import torch

from models.errors import LookalikeError


class CheckpointError(LookalikeError):
    """A checkpoint can't be written or read; the message names the file."""


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write aside, then rename: whoever reads finds the old content or the new one.

    Raises ``CheckpointError`` where that can't be done, a full disk say; the old content is still there then.
    """
    aside = path.with_name(f"{path.name}.part")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        kept = "; what it held before is still there" if path.exists() else ""
        raise CheckpointError(f"{path} can't be written ({error.strerror}){kept}") from error


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers and texts."""
    buffer = io.BytesIO()  # torch hides what a disk says
    torch.save(state, buffer)
    write_whole(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what ``save_checkpoint`` wrote, tensors on the CPU; nothing in the file can run.

    Raises ``CheckpointError``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch's many ways to say that a file is not its own
        raise CheckpointError(f"{path} is no checkpoint, or a damaged one: {str(error)[:200]}") from error
    return state
