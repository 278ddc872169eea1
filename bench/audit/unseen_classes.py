"""Classes that the model never saw: the probe on three encoders.

Which encoder should it be given?
A network of the repository's is trained on seven classes of Fashion-MNIST (Coat, Sneaker and Bag withheld); its
embeddings, those of EfficientNet-Lite0 with its ImageNet weights, and both side by side are given to the probe, which
finds wrong labels among all ten classes of the reserve. The same two encoders audit scikit-learn's 1,797 digits, of
which neither saw any. Noise seeds are drawn at run time.
"""

import argparse
import secrets
import time

import numpy as np
from data import groups, part
from encoders import WITHHELD, OfSeven, cached, general
from noise import flipped, symmetric, to_mates, verdicts
from numpy.typing import NDArray
from peers import best_score
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

from audit.cross_validated import audit_cross_validated
from audit.probe import Probe, ProbeSums
from models.groups import SimilarityGroups

DIGITS = [str(digit) for digit in range(10)]
LOOK_ALIKES = [["1", "7"], ["3", "8"], ["4", "9"], ["5", "6"]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=2)
    seeds = [secrets.randbelow(2**31) for _ in range(arguments.parse_args().seeds)]
    print(f"\nnoise seeds {seeds}")
    clothes, pairs = part("reserve"), groups()
    images = clothes.images[..., 0]
    seven = cached("seven-reserve", lambda: OfSeven().embed(images))
    imagenet = cached("general-reserve", lambda: general(images))
    print(f"\n### {len(images)} images of Fashion-MNIST's reserve, {', '.join(WITHHELD)} withheld from the network\n")
    withheld = np.isin(clothes.truth, [pairs.classes.index(name) for name in WITHHELD])
    _compare({"of seven": seven, "ImageNet": imagenet}, clothes.truth, withheld, pairs, seeds)

    digits = load_digits()
    pixels = np.pad(np.kron(digits.images * 15.9, np.ones((1, 3, 3))).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))
    seven = cached("seven-digits", lambda: OfSeven().embed(pixels))
    imagenet = cached("general-digits", lambda: general(pixels))
    print(f"\n### {len(pixels)} digits, withheld from both\n")
    names = SimilarityGroups.from_lists(DIGITS, LOOK_ALIKES)
    everything = np.ones(len(pixels), dtype=bool)
    _compare({"of seven": seven, "ImageNet": imagenet}, digits.target.astype(np.intp), everything, names, seeds)


def _compare(
    encoders: dict[str, NDArray[np.float32]],
    truth: NDArray[np.intp],
    unseen: NDArray[np.bool_],
    pairs: SimilarityGroups,
    seeds: list[int],
) -> None:
    encoders = encoders | {"both": np.concatenate(list(encoders.values()), axis=1)}
    noises = {"asymmetric .2": to_mates(pairs, 0.2), "symmetric .2": symmetric(len(pairs.classes), 0.2)}
    table: list[dict[str, str | float]] = []
    for noise, transition in noises.items():
        for encoder, embeddings in encoders.items():
            rows = [_measure(embeddings, truth, unseen, transition, pairs, seed) for seed in seeds]
            mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            table.append({"noise": noise, "encoder": encoder, "numbers": str(embeddings.shape[1]), **mean})
    for line in verdicts(table, {}):
        print(line, flush=True)


def _measure(
    embeddings: NDArray[np.float32],
    truth: NDArray[np.intp],
    unseen: NDArray[np.bool_],
    transition: NDArray[np.float64],
    pairs: SimilarityGroups,
    seed: int,
) -> dict[str, float]:
    given = flipped(truth, transition, np.random.default_rng(seed))
    wrong, rows = given != truth, np.arange(len(given))
    start = time.process_time()
    probe = Probe.fit(ProbeSums.of(embeddings, given, rows, len(pairs.classes)))
    p = probe.calibrated(probe.logits(embeddings, rows), given).probabilities(embeddings, rows)
    seconds = time.process_time() - start
    right = p.argmax(axis=1) == truth
    result = audit_cross_validated(p, given, pairs.classes, pairs, seed=0)
    log_odds = result.rows.log_odds
    return {
        "accuracy": float(right.mean()),
        "accuracy, unseen": float(right[unseen].mean()),
        "AP": float(average_precision_score(wrong, log_odds)),
        "AP, unseen": float(average_precision_score(wrong[unseen], log_odds[unseen])),
        "AP best of peers": best_score(p, given, wrong)[1],
        "rate": result.report.noise_rate.estimate,
        "true rate": float(wrong.mean()),
        "probe, CPU s": seconds,
    }


if __name__ == "__main__":
    main()
