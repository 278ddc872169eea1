"""Similarity groups: which classes are mistaken for one another.

The group of a class ``a`` is the set ``G_a`` of Gare and Galeotti (2021), eq. 2. Groups are kept per class, may
overlap, and need not be symmetric; a partition of the classes is the special case. ``a`` itself belongs to ``G_a``.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import LookalikeError


class GroupsError(LookalikeError, ValueError):
    """The groups do not fit the classes; the message names the offending class."""


class Runs(NamedTuple):
    """A partition for numpy's ``reduceat``: ``np.add.reduceat(x[:, order], starts, axis=1)`` sums each group."""

    order: NDArray[np.intp]
    """``[K]``: the classes, group by group."""
    starts: NDArray[np.intp]
    """``[G]``: where each group starts in ``order``."""
    group: NDArray[np.intp]
    """``[K]``: the group of each class."""


class SimilarityGroups:
    """The similarity group of every class, as a boolean membership matrix.

    ``membership[a, b]`` is true where ``b`` is in ``G_a``; shape ``[K, K]``, the diagonal is true.
    """

    def __init__(self, classes: Sequence[str], membership: NDArray[np.bool_]) -> None:
        self.classes = tuple(classes)
        self.membership = np.asarray(membership, dtype=bool)
        if len(set(self.classes)) != len(self.classes):
            raise GroupsError("class names must be unique")
        if self.membership.shape != (len(self.classes), len(self.classes)):
            raise GroupsError(f"membership must be K x K for K = {len(self.classes)} classes")
        if not self.membership.diagonal().all():
            raise GroupsError("every class must belong to its own group")
        members = (tuple(int(b) for b in np.flatnonzero(row)) for row in self.membership)
        self._distinct = [list(group) for group in dict.fromkeys(members)]

    @classmethod
    def from_lists(cls, classes: Sequence[str], groups: Iterable[Iterable[str]]) -> Self:
        """Build from lists of class names: ``G_a`` is the union of the lists that name ``a``.

        Classes not named in any list stand alone. Raises ``GroupsError`` for an unknown or repeated class.
        """
        index = {name: i for i, name in enumerate(classes)}
        membership = np.eye(len(classes), dtype=bool)
        for group in groups:
            names = list(group)
            unknown = [name for name in names if name not in index]
            if unknown:
                raise GroupsError(
                    f"a group names {_short(unknown[0])}, which is not one of the classes {_short(list(classes))}"
                )
            if len(set(names)) != len(names):
                raise GroupsError(f"group {_short(names)} names a class twice")
            members = [index[name] for name in names]
            membership[np.ix_(members, members)] = True
        return cls(classes, membership)

    @classmethod
    def from_members(cls, classes: Sequence[str], members: Sequence[Sequence[str]]) -> Self:
        """Build from the group of each class, in class order. Raises ``GroupsError`` for an unknown class."""
        index = {name: i for i, name in enumerate(classes)}
        membership = np.zeros((len(members), len(classes)), dtype=bool)
        for a, group in enumerate(members):
            unknown = [name for name in group if name not in index]
            if unknown:
                raise GroupsError(f"{unknown[0]!r} is not a class")
            membership[a, [index[name] for name in group]] = True
        return cls(classes, membership)

    @classmethod
    def singletons(cls, classes: Sequence[str]) -> Self:
        """Every class alone."""
        return cls.from_lists(classes, [])

    @property
    def is_partition(self) -> bool:
        """Whether the groups are disjoint: any two are equal or have nothing in common."""
        return sum(len(group) for group in self.distinct()) == len(self.classes)

    @cached_property
    def runs(self) -> Runs:
        """The groups of a partition as runs of classes."""
        order = np.array([k for group in self.distinct() for k in group], dtype=np.intp)
        sizes = np.array([len(group) for group in self.distinct()], dtype=np.intp)
        group = np.empty_like(order)
        group[order] = np.repeat(np.arange(len(sizes)), sizes)
        return Runs(order, np.cumsum(sizes) - sizes, group)

    def of(self, class_index: int) -> list[str]:
        """Names of the classes in the group of one class, in class order."""
        return [self.classes[b] for b in np.flatnonzero(self.membership[class_index])]

    def members(self) -> tuple[tuple[str, ...], ...]:
        """The group of each class, in class order; ``from_members`` reads it back."""
        return tuple(tuple(self.of(a)) for a in range(len(self.classes)))

    def distinct(self) -> list[list[int]]:
        """Each different group once, as sorted class indices, in the order of its first class."""
        return self._distinct

    def as_lists(self) -> list[list[str]]:
        """Each group of more than one class once, as class names: the form of a groups file."""
        return [[self.classes[b] for b in group] for group in self.distinct() if len(group) > 1]


class _GroupsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    groups: list[list[str]]


def groups_in(text: str | bytes) -> list[list[str]]:
    """Read ``{"groups": [["Shirt", "T-shirt/top"], ...]}``; raises ``GroupsError`` saying what is wrong."""
    try:
        return _GroupsFile.model_validate_json(text).groups
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise GroupsError(
            f'groups: {where}: {first["msg"]}; expected {{"groups": [["Shirt", "T-shirt/top"], ...]}}'
        ) from error


def parse_groups(text: str | bytes, classes: Sequence[str]) -> SimilarityGroups:
    """Read the content of a groups file for these classes; raises ``GroupsError`` saying what is wrong."""
    return SimilarityGroups.from_lists(classes, groups_in(text))


def read_groups(path: Path, classes: Sequence[str]) -> SimilarityGroups:
    """Read a groups file."""
    return parse_groups(path.read_bytes(), classes)


def _short(value: object) -> str:
    """What came from outside may be long."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
