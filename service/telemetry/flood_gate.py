"""Logs that stay quick when something goes wrong a thousand times a second."""

import logging
from collections.abc import Collection
from dataclasses import dataclass

MOST_A_SECOND = 20
_MOST_KINDS = 1000


@dataclass
class _Kind:
    second: int = 0
    lines: int = 0
    left_out: int = 0


class FloodGate(logging.Filter):
    """Lets so many lines of one kind through each second; the first of a later one says how many it left out.

    A kind is a logger and a message before its arguments are put in.
    """

    def __init__(self, *, most: int = MOST_A_SECOND, but: Collection[str] = ()) -> None:
        """``but`` are the names of loggers whose lines all go through."""
        super().__init__()
        self._most, self._but = most, but
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line goes through."""
        if record.name in self._but:
            return True
        if len(self._kinds) > _MOST_KINDS:  # some messages are put together before they are logged
            self._kinds.clear()
        kind = self._kinds.setdefault((record.name, str(record.msg)), _Kind())
        if int(record.created) != kind.second:
            if kind.left_out:
                record.left_out = kind.left_out
            kind.second, kind.lines, kind.left_out = int(record.created), 0, 0
        kind.lines += 1
        kind.left_out += kind.lines > self._most
        return kind.lines <= self._most
