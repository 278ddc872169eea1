"""Answers that take long to put into words are worded beside the event loop: others are answered meanwhile."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

_MANY = 4000
"""Probabilities; more take milliseconds."""


async def worded(probabilities: int, words: Callable[[], _T]) -> _T:
    """Call what puts so many probabilities into words: many in a thread, few at once."""
    return await asyncio.to_thread(words) if probabilities > _MANY else words()
