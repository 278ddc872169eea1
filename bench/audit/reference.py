"""Audits with reference evidence against cleanlab, FiftyOne's mistakenness, and an oracle that knows the transition.

Same images, same labels, same probabilities. The images are the reserve of the training split, on which nothing was
ever chosen; those of the test split are printed beside. "best" is the best of the peers' scores or filters for each
row of the table, chosen in hindsight. Noise seeds are drawn at run time.
"""

import argparse
import secrets

import numpy as np
from data import groups, part, shipped
from noise import calibration_error, flipped, log_loss, mark, settings, verdicts
from peers import best_filter, best_score
from sklearn.metrics import average_precision_score, f1_score

from audit.reference import audit_reference

BOUNDS = {
    "ours - oracle": ">= -.006",
    "rate error": "<= .01",
    "ECE wrong": "<= .01",
    "ECE confusable": "<= .01",
    "log loss / oracle": "<= 1.05",
    "F1 gain": "> 0",
}
LEAST_GAIN = {"asymmetric .1": 0.025, "asymmetric .2": 0.015, "one direction .3": 0.03, "symmetric .2": -0.003}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--part", default="reserve", choices=["reserve", "test"])
    arguments.add_argument("--seeds", type=int, default=3)
    chosen = arguments.parse_args()
    manifest, pairs, seen = shipped(), groups(), part(chosen.part)
    p, truth = seen.probabilities(manifest), seen.truth
    counts, n = manifest.validation_counts.astype(np.float64), len(truth)
    seeds = [secrets.randbelow(2**31) for _ in range(chosen.seeds)]
    print(f"\n{chosen.part}: {n} images, accuracy {(p.argmax(axis=1) == truth).mean():.4f}, noise seeds {seeds}\n")
    table = []
    for name, transition in settings(pairs).items():
        rows = [
            _measure(name, p, truth, flipped(truth, transition, np.random.default_rng(s)), transition, pairs, counts)
            for s in seeds
        ]
        if name == "clean":
            flagged, rate = (max(row[key] for row in rows) for key in ("flagged", "rate"))
            print(
                f"clean: flagged {flagged:.4f} (<= .005){mark(flagged, '<= .005')}, "
                f"rate {rate:.4f} (<= .01){mark(rate, '<= .01')}\n"
            )
            continue
        mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "flagged"}
        spread = float(np.std([row["gain"] for row in rows]))
        least = f">= {LEAST_GAIN[name]}" if name in LEAST_GAIN else "> 0"
        table.append(
            {
                "noise": name,
                "AP ours": mean["AP"],
                "AP oracle": mean["oracle"],
                "AP best": mean["best"],
                "gain": f"{mean['gain']:+.4f} ± {spread:.4f}" + f" ({least})" + mark(mean["gain"], least),
                "ours - oracle": mean["AP"] - mean["oracle"],
                "F1 gain": mean["F1"] - mean["best F1"],
                "rate error": mean["rate error"],
                "ECE wrong": mean["ECE"],
                "ECE confusable": mean["ECE confusable"],
                "log loss / oracle": mean["log loss"],
            }
        )
    for line in verdicts(table, BOUNDS):
        print(line)


def _measure(name, p, truth, given, transition, pairs, counts):  # noqa: ANN001, ANN202
    n = np.arange(len(given))
    wrong = given != truth
    confusable = wrong & pairs.membership[given, truth]
    result = audit_reference(p, given, pairs, model_prior=counts.sum(axis=1), validation_counts=counts, seed=0)
    rows, rate = result.rows, result.report.noise_rate.estimate
    row = {"flagged": result.report.flagged / len(given), "rate": rate}
    if name == "clean":
        return row
    joint = p * np.maximum(transition, 1e-12)[:, given].T
    oracle = 1 - joint[n, given] / joint.sum(axis=1)
    best = best_score(p, given, wrong)[1]
    ap = average_precision_score(wrong, rows.log_odds)
    return row | {
        "AP": ap,
        "oracle": average_precision_score(wrong, oracle),
        "best": best,
        "gain": ap - best,
        "F1": f1_score(wrong, rows.flagged),
        "best F1": best_filter(p, given, wrong)[1],
        "rate error": abs(rate - wrong.mean()),
        "ECE": calibration_error(rows.p_wrong, wrong),
        "ECE confusable": calibration_error(rows.p_confusable, confusable),
        "log loss": log_loss(rows.p_wrong, wrong) / log_loss(oracle, wrong),
    }


if __name__ == "__main__":
    main()
