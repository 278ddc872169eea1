"""Audits of a hundred and a thousand classes with cross-validated evidence, against cleanlab on the same probabilities.

No data set of a thousand classes is at hand, so the images are points: classes lie in groups of two to five
look-alikes, groups in families of a dozen; some images are harder than others, and classes may have long-tailed sizes.
Three models learn the noisy labels and predict each point out of sample: the probe of an audit, a softmax regression,
and a network that learns them by heart and is far too sure. Seeds are drawn at run time; the peers' best score is
chosen in hindsight, row by row.
"""

import argparse
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from noise import calibration_error, flipped, symmetric, verdicts
from numpy.typing import NDArray
from peers import best_score
from sklearn.metrics import average_precision_score
from torch import nn

from audit.cross_validated import audit_cross_validated
from audit.probe import Probe, ProbeSums
from models.groups import SimilarityGroups

NUMBERS = 64  # of an embedding
FAMILY = 12  # classes
NEAR = 0.45  # how far look-alikes are from the middle of their group, in units of what groups are from their family's
FOLDS = 3
POINTS = 20_000
SPREAD = {100: 0.8, 1000: 0.7}  # within classes


@dataclass(frozen=True)
class Points:
    """n embeddings with their true classes, and which classes look alike."""

    embeddings: NDArray[np.float32]
    truth: NDArray[np.intp]
    groups: SimilarityGroups

    @classmethod
    def drawn(cls, K: int, n: int, spread: float, *, long_tailed: bool, seed: int) -> "Points":
        rng = np.random.default_rng(seed)
        group_of = np.repeat(np.arange(K), rng.integers(2, 6, size=K))[:K]
        centres = (
            0.7 * rng.standard_normal((K, NUMBERS))[np.arange(K) // FAMILY]
            + 0.7 * rng.standard_normal((K, NUMBERS))[group_of]
            + NEAR * rng.standard_normal((K, NUMBERS))
        )
        weights = rng.permutation(1 / (np.arange(K) + 0.1 * K)) if long_tailed else np.ones(K)
        truth = rng.choice(K, size=n, p=weights / weights.sum())
        axes = rng.standard_normal((NUMBERS, NUMBERS)) / np.sqrt(NUMBERS)
        hardness = np.exp(0.4 * rng.standard_normal((n, 1)))
        within = (rng.standard_normal((n, NUMBERS)) @ axes + rng.standard_normal((n, NUMBERS))) * spread * hardness
        names = [str(k) for k in range(K)]
        lists = [[names[k] for k in np.flatnonzero(group_of == g)] for g in np.unique(group_of)]
        return cls((centres[truth] + within).astype(np.float32), truth, SimilarityGroups.from_lists(names, lists))


def by_probe(x: NDArray[np.float32], given: NDArray[np.intp], K: int) -> NDArray[np.float32]:
    rows = np.arange(len(given))
    probe = Probe.fit(ProbeSums.of(x, given, rows, K))
    return probe.calibrated(probe.logits(x, rows), given).probabilities(x, rows).astype(np.float32)


def by_regression(x: NDArray[np.float32], given: NDArray[np.intp], K: int) -> NDArray[np.float32]:
    return _out_of_fold(lambda: nn.Linear(NUMBERS, K), x, given, K, epochs=12)


def by_network(x: NDArray[np.float32], given: NDArray[np.intp], K: int) -> NDArray[np.float32]:
    return _out_of_fold(
        lambda: nn.Sequential(nn.Linear(NUMBERS, 256), nn.ReLU(), nn.Linear(256, K)), x, given, K, epochs=15
    )


def _out_of_fold(
    network: Callable[[], nn.Module], x: NDArray[np.float32], given: NDArray[np.intp], K: int, *, epochs: int
) -> NDArray[np.float32]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    points, labels = torch.from_numpy((x - x.mean(axis=0)) / x.std(axis=0)), torch.from_numpy(given)
    fold = np.random.default_rng(0).integers(FOLDS, size=len(given))
    p = np.empty((len(given), K), dtype=np.float32)
    for f in range(FOLDS):
        model = network()
        optimiser = torch.optim.Adam(model.parameters(), 5e-3)
        rows = torch.from_numpy(np.flatnonzero(fold != f))
        for _ in range(epochs):
            for batch in rows[torch.randperm(len(rows))].split(256):
                optimiser.zero_grad()
                F.cross_entropy(model(points[batch]), labels[batch]).backward()
                optimiser.step()
        with torch.no_grad():
            p[fold == f] = torch.softmax(model(points[fold == f]), dim=1).numpy()
    return p


MODELS: dict[str, Callable[[NDArray[np.float32], NDArray[np.intp], int], NDArray[np.float32]]] = {
    "probe": by_probe,
    "softmax regression": by_regression,
    "overfitted network": by_network,
}


def noises(groups: SimilarityGroups) -> dict[str, NDArray[np.float64]]:
    """Transitions by name; a class that flips into its group does so into every mate alike."""
    K = len(groups.classes)
    mates = groups.membership & ~np.eye(K, dtype=bool)
    inside = mates / np.maximum(mates.sum(axis=1, keepdims=True), 1)
    alone = ~mates.any(axis=1)

    def within(rate: NDArray[np.float64]) -> NDArray[np.float64]:
        rate = np.where(alone, 0.0, rate)[:, None]
        return (1 - rate) * np.eye(K) + rate * inside

    every = np.ones(K)
    return {
        "clean": np.eye(K),
        "asymmetric .1": within(0.1 * every),
        "asymmetric .2": within(0.2 * every),
        "asymmetric .3, a third of the groups": within(0.3 * (groups.membership.argmax(axis=1) % 3 == 0)),
        "mixed .15 + .05": within(0.15 * every) @ symmetric(K, 0.05),
        "symmetric .2": symmetric(K, 0.2),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--classes", nargs="*", type=int, default=[100, 1000], choices=list(SPREAD))
    arguments.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    arguments.add_argument("--noises", nargs="*", help="all if absent")
    arguments.add_argument("--sizes", nargs="*", default=["even", "long-tailed"], choices=["even", "long-tailed"])
    arguments.add_argument("--seed", type=int, help="drawn if absent")
    chosen = arguments.parse_args()
    seed = secrets.randbelow(2**31) if chosen.seed is None else chosen.seed
    print(f"\n{POINTS} points, seed {seed}")
    for K in chosen.classes:
        for sizes in chosen.sizes:
            points = Points.drawn(K, POINTS, SPREAD[K], long_tailed=sizes == "long-tailed", seed=seed)
            for name in chosen.models:
                print(f"\n### {K} classes of {sizes} sizes, {name}\n")
                rows = [
                    {"noise": noise, **_measure(name, points, transition, seed)}
                    for noise, transition in noises(points.groups).items()
                    if chosen.noises is None or noise in chosen.noises
                ]
                for line in verdicts(rows, {"gain": ">= -.01", "gain, discovered": ">= -.01"}):
                    print(line, flush=True)


def _measure(model: str, points: Points, transition: NDArray[np.float64], seed: int) -> dict[str, float | str]:
    K = len(points.groups.classes)
    given = flipped(points.truth, transition, np.random.default_rng(seed))
    wrong = given != points.truth
    p = MODELS[model](points.embeddings, given, K)
    peer, best = best_score(p, given, wrong) if wrong.any() else ("", 0.0)
    row: dict[str, float | str] = {
        "accuracy": float((p.argmax(axis=1) == points.truth).mean()),
        "best of peers": f"{best:.4f} {peer}",
    }
    start = time.process_time()
    for name, groups in {"": points.groups, ", discovered": None}.items():
        result = audit_cross_validated(p, given, points.groups.classes, groups, seed=0)
        row["gain" + name] = float(average_precision_score(wrong, result.rows.log_odds)) - best if wrong.any() else 0.0
        row["flagged" + name] = float(result.rows.flagged.mean())
        row["rate" + name] = float(result.rows.p_wrong.mean())
        row["ECE" + name] = calibration_error(result.rows.p_wrong, wrong)
    return row | {"true rate": float(wrong.mean()), "CPU s an audit": (time.process_time() - start) / 2}


if __name__ == "__main__":
    main()
