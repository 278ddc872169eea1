"""Noise to put on true labels, and how to judge what was found."""

import operator
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.groups import SimilarityGroups


def to_mates(groups: SimilarityGroups, rate: float, *, one_way: bool = False) -> NDArray[np.float64]:
    """Return a transition to the look-alike; ``one_way``: from the first class of a pair to the second only."""
    K = len(groups.classes)
    transition = np.eye(K)
    for true, given in np.argwhere(groups.membership & ~np.eye(K, dtype=bool)):
        if not one_way or given > true:
            transition[true, given] += rate
            transition[true, true] -= rate
    return transition


def symmetric(K: int, rate: float) -> NDArray[np.float64]:
    """Return a transition to every other class alike."""
    return (1 - rate) * np.eye(K) + rate * (1 - np.eye(K)) / (K - 1)


def settings(groups: SimilarityGroups) -> dict[str, NDArray[np.float64]]:
    """Return the transitions that audits are measured on, by name."""
    K = len(groups.classes)
    return {
        "clean": np.eye(K),
        "asymmetric .1": to_mates(groups, 0.1),
        "asymmetric .2": to_mates(groups, 0.2),
        "asymmetric .4": to_mates(groups, 0.4),
        "one direction .3": to_mates(groups, 0.3, one_way=True),
        "mixed .15 + .05": to_mates(groups, 0.15) @ symmetric(K, 0.05),
        "symmetric .2": symmetric(K, 0.2),
    }


def flipped(truth: NDArray[np.intp], transition: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw a label for each true class ``[n]``."""
    edges = transition.cumsum(axis=1)[truth]
    labels: NDArray[np.intp] = (edges < rng.random(len(truth))[:, None]).sum(axis=1).clip(0, len(transition) - 1)
    return labels


def calibration_error(p: NDArray[np.float64], happened: NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error of probabilities ``[n]`` in bins of equal width."""
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    return sum(abs(p[bin_of == i].sum() - happened[bin_of == i].sum()) for i in range(bins)) / len(p)


def log_loss(p: NDArray[np.float64], happened: NDArray[np.bool_]) -> float:
    """Return the mean negative log likelihood."""
    p = p.clip(1e-12, 1 - 1e-12)
    return float(-np.log(np.where(happened, p, 1 - p)).mean())


def verdicts(rows: list[dict[str, str | float]], bounds: dict[str, str]) -> Iterator[str]:
    """Print a Markdown table; ``bounds`` (``<= .01``) says below the header what each column must reach."""
    columns = list(rows[0])
    yield "| " + " | ".join(columns) + " |"
    yield "|" + " --- |" * len(columns)
    yield "| " + " | ".join(bounds.get(column, "") for column in columns) + " |"
    for row in rows:
        yield "| " + " | ".join(_cell(value, bounds.get(column)) for column, value in row.items()) + " |"


def _cell(value: str | float, bound: str | None) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.4f}" + ("" if bound is None else mark(value, bound))


def mark(value: float, bound: str) -> str:
    """Return nothing where ``value`` keeps to a bound such as ``<= .01``, else that it misses it."""
    compare, limit = bound.split()
    return "" if {"<=": operator.le, ">=": operator.ge, ">": operator.gt}[compare](value, float(limit)) else " **miss**"
