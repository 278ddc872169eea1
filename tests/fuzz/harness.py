"""Runs a reader on mutated files until the time is over: it may refuse them in its own words, and nothing else.

No crash, no hang (10 s a file), at most 2 GiB of memory, and nothing written anywhere.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import atheris

SECONDS_A_FILE = 10
MEMORY_MB = 2048


def main(targets: Mapping[str, tuple[str, Callable[[], list[bytes]], Callable[[Path], None]]]) -> None:
    """Fuzz the target that the command line names.

    A target is the ending of its files, a function that makes honest ones to start from, and the reader to try, which
    raises what must not happen.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=sorted(targets))
    parser.add_argument("--seconds", type=int, default=300)
    chosen = parser.parse_args()
    ending, seeds, read = targets[chosen.target]
    with tempfile.TemporaryDirectory() as root:
        corpus, place = Path(root) / "corpus", Path(root) / "place"
        corpus.mkdir()
        place.mkdir()
        for number, seed in enumerate(seeds()):
            (corpus / str(number)).write_bytes(seed)
        file = place / f"fuzzed{ending}"

        def one(data: bytes) -> None:
            file.write_bytes(data)
            read(file)
            assert [path.name for path in place.iterdir()] == [file.name], "the reader left something behind"

        options = {
            "max_total_time": chosen.seconds,
            "timeout": SECONDS_A_FILE,
            "rss_limit_mb": MEMORY_MB,
            "max_len": 1 << 14,
            "len_control": 0,
            "print_final_stats": 1,
        }
        # What it finds, a crash, stays in the folder from which it is run.
        atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)], one)
        atheris.Fuzz()
