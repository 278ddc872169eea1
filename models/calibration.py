"""Fit what a manifest says about trust: temperatures, confusion counts, conformal quantiles."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.conformal import fit_conformal
from models.distribution import Temperature, class_probabilities
from models.groups import SimilarityGroups
from models.manifest import Calibration

_COLDEST, _HOTTEST = 0.05, 20.0
_FOLDS = 5
_MINIMUM_GAIN = 1e-4
"""Nats a sample by which two temperatures must beat one out of sample to be worth having."""


def calibrate(
    logits: NDArray[np.floating], labels: NDArray[np.integer], groups: SimilarityGroups, *, source: str
) -> Calibration:
    """Fit on held-out samples with clean labels: ``[N, K]`` logits and ``[N]`` true classes.

    The conformal thresholds are taken on the samples that the temperature was fitted on as well: one or two numbers
    fitted on thousands of samples don't move them.
    """
    temperature = fit_temperature(logits, labels, groups)
    probabilities = class_probabilities(logits, groups, temperature)
    confusion = np.zeros((len(groups.classes),) * 2, dtype=np.int64)
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    return Calibration(
        source=source,
        n=len(labels),
        temperature=temperature,
        confusion=tuple(map(tuple, confusion.tolist())),
        conformal=fit_conformal(probabilities, labels),
    )


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer], groups: SimilarityGroups) -> Temperature:
    """Temperatures of least log loss: one, or for a partition two where that is better out of sample (5 folds)."""
    if not groups.is_partition or len(groups.distinct()) == len(groups.classes):
        return _fit_one(logits, labels, groups)
    fold = np.arange(len(labels)) % _FOLDS
    gain = 0.0
    for k in range(_FOLDS):
        rest, held_out = fold != k, fold == k
        one = _fit_one(logits[rest], labels[rest], groups)
        two = _fit_two(logits[rest], labels[rest], groups)
        gain += _log_loss(logits[held_out], labels[held_out], groups, one) / _FOLDS
        gain -= _log_loss(logits[held_out], labels[held_out], groups, two) / _FOLDS
    fit = _fit_two if gain > _MINIMUM_GAIN else _fit_one
    return fit(logits, labels, groups)


def _fit_one(logits: NDArray[np.floating], labels: NDArray[np.integer], groups: SimilarityGroups) -> Temperature:
    return Temperature.single(_argmin(lambda t: _log_loss(logits, labels, groups, Temperature.single(t))))


def _fit_two(logits: NDArray[np.floating], labels: NDArray[np.integer], groups: SimilarityGroups) -> Temperature:
    # log P(class) = log P(group) + log P(class | group): each temperature has a term of its own, so any fixed value of
    # the other will do while one is fitted.
    return Temperature(
        group=_argmin(lambda t: _log_loss(logits, labels, groups, Temperature(group=t, within=1.0))),
        within=_argmin(lambda t: _log_loss(logits, labels, groups, Temperature(group=1.0, within=t))),
    )


def _log_loss(
    logits: NDArray[np.floating], labels: NDArray[np.integer], groups: SimilarityGroups, temperature: Temperature
) -> float:
    p = class_probabilities(logits, groups, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(p, 1e-300)).mean())


def _argmin(loss: Callable[[float], float]) -> float:
    """Golden-section search over log temperature; the log loss is convex in the inverse temperature."""
    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    shrink = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - shrink * (high - low), low + shrink * (high - low)
        if loss(float(np.exp(left))) < loss(float(np.exp(right))):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
