"""What could gain on noise that the probe leaves: a probe fitted again to what the audit believes, and to clean labels.

Gains in average precision over the best of the peers, who have the probe that was fitted to the noisy labels. On the
test split and the validation part, on which the method was developed, with fixed seeds.
"""

import numpy as np
from cross_validated import by_probe, oracle
from data import Seen, groups, part
from noise import flipped, settings, verdicts
from numpy.typing import NDArray
from peers import best_score
from sklearn.metrics import average_precision_score

from audit.cross_validated import fit_cross_validated
from audit.posterior import score_rows
from audit.probe import Probe, ProbeSums, fold_of
from models.groups import SimilarityGroups

SEEDS = (1, 2)
NOISES = ("mixed .15 + .05", "asymmetric .1", "symmetric .2")


def main() -> None:
    pairs = groups()
    table = []
    for name in ("test", "validation"):
        seen = part(name)
        for noise in NOISES:
            transition = settings(pairs)[noise]
            rows = [_measure(seen, transition, pairs, seed) for seed in SEEDS]
            mean = {key: f"{np.mean([row[key] for row in rows]):+.4f}" for key in rows[0]}
            table.append({"images": name, "noise": noise, **mean})
    for line in verdicts(table, {}):
        print(line)


def _measure(seen: Seen, transition: NDArray[np.float64], pairs: SimilarityGroups, seed: int) -> dict[str, float]:
    K, truth = len(pairs.classes), seen.truth
    given = flipped(truth, transition, np.random.default_rng(seed))
    wrong = given != truth
    p = by_probe(seen, given, K)
    ours, believed = _audit(p, given, pairs)
    again = _by_soft_probe(seen, believed, given)
    found = {
        "audit": ours,
        "oracle": oracle(p, given, truth, transition, pairs),
        "fitted again": _audit(again, given, pairs)[0],
        "its oracle": oracle(again, given, truth, transition, pairs),
        "oracle of a probe of the truth": oracle(by_probe(seen, truth, K), given, truth, transition, pairs),
    }
    best = best_score(p, given, wrong)[1]
    return {name: float(average_precision_score(wrong, score)) - best for name, score in found.items()}


def _audit(
    p: NDArray[np.float64], given: NDArray[np.intp], pairs: SimilarityGroups
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log odds of each label to be wrong, and P(true class | image, label) ``[n, K]``."""
    fit = fit_cross_validated(p, given, pairs.classes, pairs)
    clean = fit.clean(p)
    log_odds = score_rows(clean, given, np.zeros(len(given), dtype=bool), fit.groups, fit.noise).log_odds
    joint = clean * fit.noise.transition.T[given]
    return log_odds, joint / joint.sum(axis=1, keepdims=True)


def _by_soft_probe(seen: Seen, believed: NDArray[np.float64], given: NDArray[np.intp]) -> NDArray[np.float64]:
    """Fit the probe to shares of each row ``[n, K]`` instead of its label."""
    rows = np.arange(len(given))
    sums = ProbeSums.of(seen.embeddings, given, rows, believed.shape[1])
    for f in range(len(sums.counts)):
        of_fold = np.flatnonzero(fold_of(rows) == f)
        sums.counts[f] = believed[of_fold].sum(axis=0)
        sums.sums[f] = believed[of_fold].T @ seen.embeddings[of_fold].astype(np.float64)
    probe = Probe.fit(sums)
    return probe.calibrated(probe.logits(seen.embeddings, rows), given).probabilities(seen.embeddings, rows)


if __name__ == "__main__":
    main()
