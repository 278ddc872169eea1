"""Audits with cross-validated evidence against cleanlab and FiftyOne's mistakenness, on the same probabilities.

The model learned the very labels that are audited and predicts each row out of sample. Three such models: the probe on
the shipped model's embeddings, a three-fold logistic regression on the same embeddings, and a three-fold small
convolutional network on the pixels; the last two as columns that a user brings. The images are the reserve of the
training split: the shipped model was not trained on them, and the method was developed on the test split. Noise seeds
are drawn at run time; the best of the peers' six scores is chosen in hindsight, row by row.

The oracle knows the true transition, the true groups, and the change of scale that suits the true classes best: what an
audit by these probabilities could do at most, but for luck.
"""

import argparse
import secrets
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from data import Seen, groups, part
from noise import calibration_error, flipped, settings, verdicts
from numpy.typing import NDArray
from peers import best_score
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler
from torch import nn

from audit.cross_validated import audit_cross_validated
from audit.probe import Probe, ProbeSums
from audit.transition import LEAST_RATE
from audit.unnoising import Unnoising, floor_of, parts
from audit.unnoising_fit import LabelledRows, fit_candidate
from models.groups import SimilarityGroups

LEAST_GIVEN = {"asymmetric .1": 0.03, "asymmetric .2": 0.03, "one direction .3": 0.03, "mixed .15 + .05": 0.03}
LEAST_DISCOVERED = 0.02
FOLDS = 3
EPOCHS = 4


def by_probe(seen: Seen, given: NDArray[np.intp], K: int) -> NDArray[np.float64]:
    rows = np.arange(len(given))
    probe = Probe.fit(ProbeSums.of(seen.embeddings, given, rows, K))
    return probe.calibrated(probe.logits(seen.embeddings, rows), given).probabilities(seen.embeddings, rows)


def by_regression(seen: Seen, given: NDArray[np.intp], K: int) -> NDArray[np.float64]:
    x = StandardScaler().fit_transform(seen.embeddings)
    fold = np.random.default_rng(0).integers(FOLDS, size=len(given))
    p = np.empty((len(given), K))
    for f in range(FOLDS):
        p[fold == f] = (
            LogisticRegression(max_iter=100, tol=1e-3).fit(x[fold != f], given[fold != f]).predict_proba(x[fold == f])
        )
    return p


def by_network(seen: Seen, given: NDArray[np.intp], K: int) -> NDArray[np.float64]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = (torch.from_numpy(seen.images[..., 0]).float()[:, None] / 255 - 0.286) / 0.353
    labels = torch.from_numpy(given)
    fold = np.random.default_rng(0).integers(FOLDS, size=len(given))
    p = np.empty((len(given), K))
    for f in range(FOLDS):
        network = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 1, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(576, K),
        )  # fmt: skip
        optimiser = torch.optim.Adam(network.parameters(), 2e-3)
        rows = torch.from_numpy(np.flatnonzero(fold != f))
        for _ in range(EPOCHS):
            for batch in rows[torch.randperm(len(rows))].split(64):
                optimiser.zero_grad()
                F.cross_entropy(network(x[batch]), labels[batch]).backward()
                optimiser.step()
        network.eval()
        held_out = np.flatnonzero(fold == f)
        with torch.no_grad():
            p[held_out] = torch.softmax(torch.cat([network(some) for some in x[held_out].split(500)]), dim=1).numpy()
    return p / p.sum(axis=1, keepdims=True)


MODELS: dict[str, Callable[[Seen, NDArray[np.intp], int], NDArray[np.float64]]] = {
    "probe": by_probe,
    "logistic regression": by_regression,
    "small network": by_network,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--part", default="reserve", choices=["reserve", "validation", "test"])
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    chosen = arguments.parse_args()
    seen, pairs = part(chosen.part), groups()
    seeds = [secrets.randbelow(2**31) for _ in range(chosen.seeds)]
    print(f"\n{chosen.part}: {len(seen.truth)} images, noise seeds {seeds}")
    for name in chosen.models:
        start = time.process_time()
        print(f"\n### {name}\n")
        table = []
        for noise, transition in settings(pairs).items():
            rows = [_measure(name, seen, transition, pairs, seed) for seed in seeds[: None if name == "probe" else 1]]
            mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            if noise == "clean":
                flagged = ", ".join(f"{key} {mean[key + ' flagged']:.4f}" for key in ("given", "discovered", "wrong"))
                print(f"clean labels, flagged with groups {flagged} (bound .005); rate {mean['rate']:.4f}\n")
                continue
            least = LEAST_GIVEN.get(noise)
            table.append(
                {
                    "noise": noise,
                    "AP best of peers": mean["best"],
                    "AP, groups given": mean["given"],
                    "gain": f"{mean['given'] - mean['best']:+.4f} (>= {-0.01 if least is None else least})",
                    "gain of the oracle": f"{mean['oracle'] - mean['best']:+.4f}",
                    "gain, discovered": f"{mean['discovered'] - mean['best']:+.4f}"
                    f" (>= {-0.01 if least is None else LEAST_DISCOVERED})",
                    "wrong - none": mean["wrong"] - mean["discovered"],
                    "rate": mean["rate"],
                    "true rate": mean["true rate"],
                    "ECE": mean["ECE"],
                }
            )
        for line in verdicts(table, {"wrong - none": ">= -.01"}):
            print(line)
        print(f"\n{time.process_time() - start:.0f} CPU seconds", flush=True)


def _measure(
    model: str, seen: Seen, transition: NDArray[np.float64], pairs: SimilarityGroups, seed: int
) -> dict[str, float]:
    given = flipped(seen.truth, transition, np.random.default_rng(seed))
    wrong = given != seen.truth
    p = MODELS[model](seen, given, len(pairs.classes))
    candidates = {"given": pairs, "discovered": None, "wrong": _wrong(pairs)}
    row = {"true rate": float(wrong.mean())}
    for name, these in candidates.items():
        result = audit_cross_validated(p, given, pairs.classes, these, seed=0)
        row[name + " flagged"] = float(result.rows.flagged.mean())
        if name == "given":
            row["rate"] = result.report.noise_rate.estimate
            row["ECE"] = calibration_error(result.rows.p_wrong, wrong)
        if wrong.any():
            row[name] = float(average_precision_score(wrong, result.rows.log_odds))
    if wrong.any():
        row["best"] = best_score(p, given, wrong)[1]
        row["oracle"] = float(average_precision_score(wrong, oracle(p, given, seen.truth, transition, pairs)))
    return row


def oracle(
    p: NDArray[np.float64],
    given: NDArray[np.intp],
    truth: NDArray[np.intp],
    transition: NDArray[np.float64],
    pairs: SimilarityGroups,
) -> NDArray[np.float64]:
    """P(wrong) of each label, by the change of scale fitted to the true classes and the true transition."""
    K, floor = p.shape[1], floor_of(p)
    means, rest = parts(p, pairs.membership, floor)
    every, verified = np.tile(np.arange(K), (len(truth), 1)), np.ones(len(truth), dtype=bool)
    rows = LabelledRows(every, np.zeros(every.shape), means, rest, truth, verified, np.zeros((K, K)), np.eye(K))
    scale = fit_candidate(rows, "uniform", np.zeros((K, K), dtype=bool))
    joint = Unnoising(floor, pairs.membership, scale.between, scale.within, scale.bias).apply(p)
    joint *= np.maximum(transition, LEAST_RATE).T[given]
    wrong: NDArray[np.float64] = 1 - joint[np.arange(len(given)), given] / joint.sum(axis=1)
    return wrong


def _wrong(pairs: SimilarityGroups) -> SimilarityGroups:
    """Pairs that have nothing to do with those of the noise: of first classes with one another, and of second ones."""
    lists = pairs.as_lists()
    return SimilarityGroups.from_lists(
        pairs.classes, [[a[side], b[side]] for a, b in zip(lists[::2], lists[1::2], strict=False) for side in (0, 1)]
    )


if __name__ == "__main__":
    main()
