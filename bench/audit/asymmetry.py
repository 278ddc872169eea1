"""How often the verdict on asymmetry is right, and the interval of the noise rate holds the truth.

100 data sets of 2,000 rows for each kind of noise, drawn with replacement from the reserve.
"""

import secrets

import numpy as np
from data import groups, part, shipped
from noise import flipped, mark, symmetric, to_mates

from audit.reference import audit_reference

SETS, ROWS = 100, 2000


def main() -> None:
    manifest, pairs = shipped(), groups()
    counts = manifest.validation_counts.astype(np.float64)
    seed = secrets.randbelow(2**31)
    rng = np.random.default_rng(seed)
    seen = part("reserve")
    p = seen.probabilities(manifest)
    K = p.shape[1]
    print(f"\n{SETS} sets of {ROWS} rows a kind, seed {seed}\n")
    print(
        "| noise | wanted | right verdicts | bound | rate's 95 % interval holds the truth (>= 91) | its mean width |\n|"
        + " --- |" * 6
    )
    cases = {
        "clean": (np.eye(K), "clean", 95),
        "symmetric .05": (symmetric(K, 0.05), "symmetric", 95),
        "symmetric .2": (symmetric(K, 0.2), "symmetric", 95),
        "asymmetric .03": (to_mates(pairs, 0.03), "asymmetric", 90),
        "asymmetric .1": (to_mates(pairs, 0.1), "asymmetric", 90),
    }
    for name, (transition, wanted, bound) in cases.items():
        right = held = 0
        width = 0.0
        for _ in range(SETS):
            rows = rng.integers(len(p), size=ROWS)
            truth = seen.truth[rows]
            given = flipped(truth, transition, rng)
            report = audit_reference(
                p[rows], given, pairs, model_prior=counts.sum(axis=1), validation_counts=counts, seed=0
            ).report
            right += report.asymmetry.verdict == wanted
            held += report.noise_rate.low <= (given != truth).mean() <= report.noise_rate.high
            width += (report.noise_rate.high - report.noise_rate.low) / SETS
        marks = mark(right, f">= {bound}"), mark(held, ">= 91")
        print(f"| {name} | {wanted} | {right}{marks[0]} | >= {bound} | {held}{marks[1]} | {width:.3f} |", flush=True)


if __name__ == "__main__":
    main()
