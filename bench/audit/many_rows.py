"""A whole audit of ten probability columns, from a Parquet file to its answers: CPU time and peak memory.

The command runs as a process of its own; its figures are those of it and of the process that reads the file.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

CLASSES = 10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", nargs="*", type=int, default=[1_000_000, 10_000_000])
    for rows in arguments.parse_args().rows:
        with tempfile.TemporaryDirectory() as folder:
            labels = written(rows, Path(folder))
            command = [sys.executable, "-c", "from lookalike.cli import main; main()", "audit", labels, "--out", folder]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            assert status == 0
            print(
                f"{rows:,} rows: {used.ru_utime + used.ru_stime:.0f} CPU seconds, "
                f"at most {used.ru_maxrss / 2**20:.2f} GiB of memory",
                flush=True,
            )


def written(rows: int, folder: Path) -> Path:
    """A file of labels, a tenth of which went to the next class of a pair, with probabilities."""
    rng = np.random.default_rng(0)
    truth = rng.integers(CLASSES, size=rows)
    p = rng.standard_gamma(0.02, size=(rows, CLASSES)).astype(np.float32) + np.float32(1e-6)
    p[np.arange(rows), truth] += rng.standard_gamma(2.0, size=rows).astype(np.float32)
    p[np.arange(rows), truth ^ 1] += rng.standard_gamma(0.3, size=rows).astype(np.float32)
    p /= p.sum(axis=1, keepdims=True)
    given = np.where(rng.random(rows) < 0.1, truth ^ 1, truth)
    path = folder / "labels.parquet"
    pl.DataFrame({"label": given} | {f"prob_{k}": p[:, k] for k in range(CLASSES)}).write_parquet(path)
    return path


if __name__ == "__main__":
    main()
