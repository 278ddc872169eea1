"""Similarity of classes as a person writes it down: a matrix of scores, or a hierarchy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypeAliasType

from models.errors import LookalikeError
from models.groups import SimilarityGroups


class SimilarityFileError(LookalikeError):
    """The file says nothing of how similar classes are; the message names the place."""


class _Matrix(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    classes: list[str]
    scores: list[list[float]]


Tree = TypeAliasType("Tree", "dict[str, Tree] | list[str]")
"""Names of inner nodes to what is below them; classes are the lists at the ends."""

_TREE = TypeAdapter[Tree](Tree)


def read_similarity(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read ``{"classes": [..], "scores": [[..]]}`` as classes and ``S`` ``[K, K]``; raises ``SimilarityFileError``.

    Row ``a`` has the score of every class for samples labelled ``a``.
    """
    try:
        document = _Matrix.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SimilarityFileError(f"{path.name}: {_first(error)}") from error
    size = len(document.classes)
    if not size or len(set(document.classes)) != size:
        raise SimilarityFileError(f"{path.name}: classes must be unique and at least one")
    for name, row in zip(document.classes, document.scores, strict=False):
        if len(row) != size or not np.isfinite(row).all():
            raise SimilarityFileError(f"{path.name}: the row of {name!r} must be {size} numbers")
    if len(document.scores) != size:
        raise SimilarityFileError(f"{path.name}: scores has {len(document.scores)} rows for {size} classes")
    return tuple(document.classes), np.array(document.scores)


def read_hierarchy(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read a hierarchy, ``{"shoes": ["Sandal", "Sneaker"], "tops": {"thin": [..], ..}}``, as classes and ``S``.

    Two classes score the number of inner nodes that they have in common, over the most that a class has: 1 for
    siblings at the bottom, 0 where they part at the top. Classes are in the order of the file. Raises
    ``SimilarityFileError``.
    """
    try:
        tree = _TREE.validate_json(path.read_bytes(), strict=True)
    except (ValidationError, RecursionError) as error:
        said = _first(error) if isinstance(error, ValidationError) else "too deep"
        raise SimilarityFileError(
            f"{path.name}: {said}; expected {{NODE: [CLASS, ..] or a table like this}}"
        ) from error
    lines = _lines(tree, ())
    classes = tuple(name for name, _ in lines)
    if not lines or len(set(classes)) != len(classes):
        raise SimilarityFileError(f"{path.name}: it must name at least one class, and none twice")
    deepest = max(1, *(len(nodes) for _, nodes in lines))
    shared = [[_in_common(a, b) for _, b in lines] for _, a in lines]
    return classes, np.array(shared, dtype=np.float64) / deepest


def groups_of_hierarchy(
    classes: Sequence[str], similarity: NDArray[np.float64], *, least: float = 0.5
) -> SimilarityGroups:
    """Classes that score at least ``least`` and have a node in common are in each other's groups."""
    near = (similarity >= least) & (similarity > 0)
    return SimilarityGroups(classes, near | np.eye(len(classes), dtype=bool))


def _lines(tree: "Tree", above: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Each class with the nodes above it, from the top."""
    if isinstance(tree, list):
        return [(name, above) for name in tree]
    return [line for node, below in tree.items() for line in _lines(below, (*above, node))]


def _in_common(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    same = [x == y for x, y in zip(a, b, strict=False)]
    return same.index(False) if False in same else len(same)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}"
