"""CPU time and peak memory of an audit's statistics beside cleanlab's, on the same synthetic probabilities.

Each arm is a process of its own with one BLAS thread; the arms take turns. Memory is the peak above the loaded arrays.
cleanlab does what an audit needs of it: find the issues, score the labels, estimate the noise matrices.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from noise import mark

SIZES = {"1M x 10": (1_000_000, 10, 0.5), "100k x 1000": (100_000, 1000, 1.0)}
ROUNDS = 3
FOLDER = Path(__file__).resolve().parents[2] / "runs" / "bench-audit"


def synthetic(n: int, K: int) -> tuple[Path, Path]:
    """Make probabilities float32 ``[n, K]`` and labels, a tenth of which went to the next class of a pair."""
    probabilities, labels = FOLDER / f"cost-{n}-{K}-p.npy", FOLDER / f"cost-{n}-{K}-g.npy"
    if not labels.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        true = rng.integers(K, size=n)
        p = rng.standard_gamma(0.02, size=(n, K)).astype(np.float32) + np.float32(1e-6)
        p[np.arange(n), true] += rng.standard_gamma(2.0, size=n).astype(np.float32)
        p[np.arange(n), true ^ 1] += rng.standard_gamma(0.3, size=n).astype(np.float32)
        p /= p.sum(axis=1, keepdims=True)
        np.save(probabilities, p)
        np.save(labels, np.where(rng.random(n) < 0.1, true ^ 1, true))
    return probabilities, labels


def arm(name: str, n: int, K: int) -> None:
    """Run one arm and print its CPU seconds and megabytes."""
    p, given = (np.load(path) for path in synthetic(n, K))
    if name == "synthetic":  # a process of its own: its peak would count as that of the processes it starts
        return
    if name == "cleanlab":
        from cleanlab.count import compute_confident_joint, estimate_latent
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    else:
        from audit.evidence import Evidence
        from audit.fit import fit_noise_model
        from audit.posterior import score_rows
        from audit.report import report_on
        from audit.sample import chosen
        from audit.tally import Tally
        from models.groups import SimilarityGroups
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if name == "cleanlab":
        find_label_issues(given, p, n_jobs=1)
        get_label_quality_scores(given, p)
        estimate_latent(compute_confident_joint(given, p), given)
    else:
        classes = [str(k) for k in range(K)]
        groups = SimilarityGroups.from_lists(classes, [classes[k : k + 2] for k in range(0, K, 2)])
        picked = chosen(np.arange(n), n, min(100_000, 4_000_000 // K))
        sample = Evidence.checked(p[picked], given[picked], groups)
        noise = fit_noise_model(sample)
        trusted, tally, p_wrong = np.zeros(20_000, dtype=bool), None, []
        for at in range(0, n, 20_000):
            block, labels = p[at : at + 20_000], given[at : at + 20_000]
            rows = score_rows(block, labels, trusted[: len(labels)], groups, noise)
            part = Tally.of(block, labels, trusted[: len(labels)], rows)
            tally = part if tally is None else tally + part
            p_wrong.append(rows.p_wrong)
        rng = np.random.default_rng(0)
        report_on(sample, noise, tally, np.concatenate(p_wrong), "reference", rng)
    seconds = time.process_time() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak}))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--arm", nargs=3)
    chosen = arguments.parse_args()
    if chosen.arm:
        arm(chosen.arm[0], int(chosen.arm[1]), int(chosen.arm[2]))
        return
    print("\n| size | CPU s ours | cleanlab | ratio | bound | MB ours | cleanlab | ratio (<= 0.5) |\n|" + " --- |" * 8)
    for size, (n, K, bound) in SIZES.items():
        _run("synthetic", n, K)
        found: dict[str, list[dict[str, float]]] = {"ours": [], "cleanlab": []}
        for _ in range(ROUNDS):
            for name, runs in found.items():
                runs.append(json.loads(_run(name, n, K)))
        ours, theirs = (
            {key: float(np.median([run[key] for run in found[name]])) for key in ("seconds", "megabytes")}
            for name in found
        )
        seconds, megabytes = (ours[key] / theirs[key] for key in ("seconds", "megabytes"))
        print(
            f"| {size} | {ours['seconds']:.2f} | {theirs['seconds']:.2f} | "
            f"{seconds:.2f}{mark(seconds, f'<= {bound}')} | "
            f"<= {bound} | {ours['megabytes']:.0f} | {theirs['megabytes']:.0f} | "
            f"{megabytes:.2f}{mark(megabytes, '<= 0.5')} |",
            flush=True,
        )


def _run(name: str, n: int, K: int) -> str:
    command = [sys.executable, __file__, "--arm", name, str(n), str(K)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
