"""Rows and names in messages for people: the first few, and that there are more."""

from collections.abc import Sequence

_SHOWN = 5


def listed(items: Sequence[str]) -> str:
    """The first few of some texts, with commas."""
    return ", ".join(items[:_SHOWN]) + (", …" if len(items) > _SHOWN else "")


def listed_rows(rows: Sequence[int]) -> str:
    """The first few of some rows, counted from 1."""
    return ("row " if len(rows) == 1 else "rows ") + listed([str(row) for row in rows[: _SHOWN + 1]])
