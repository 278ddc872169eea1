"""Fuzzes what unpacks Parquet files: `python tests/fuzz/parquet.py --seconds 300`.

Blindly, for polars shows a fuzzer no coverage. A file may be refused, and it may end its process; then another process
goes on with the next file. An error of another kind ends the fuzzing, and so does a file that takes 10 s.
"""

import argparse
import io
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import polars as pl

from labels.errors import LabelFileError
from labels.formats.unpack_parquet import limit_itself, unpack

SECONDS_A_FILE = 10
MOST_CHANGES = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--first", type=int, help="be a process that unpacks, from this file on")
    chosen = parser.parse_args()
    if chosen.first is not None:
        unpack_files(chosen.first, chosen.seconds)
        return
    start, done, ended = time.monotonic(), 0, 0
    while (left := start + chosen.seconds - time.monotonic()) > 0:
        command = [sys.executable, __file__, "--first", str(done), "--seconds", str(left)]
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        done += len(process.stdout)
        if process.returncode > 0 or process.returncode == -signal.SIGALRM:
            sys.exit(f"file {done} ended with {process.returncode}: see --first {done}")
        ended += process.returncode < 0
        done += process.returncode < 0
    took = time.monotonic() - start
    sys.stdout.write(f"{done} files, {ended} of which ended their process, in {took:.0f} s\n")


def unpack_files(first: int, seconds: float) -> None:
    """Unpack one file after the other, and say a byte after each."""
    limit_itself()
    seeds, until = honest(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.parquet"
        while time.monotonic() < until:
            path.write_bytes(damaged(seeds, random.Random(first)))
            signal.alarm(SECONDS_A_FILE)
            with suppress(LabelFileError):
                unpack(path)
            signal.alarm(0)
            sys.stdout.buffer.write(b".")
            sys.stdout.buffer.flush()
            first += 1


def damaged(seeds: list[bytes], rng: random.Random) -> bytes:
    """Change a few bytes or bits, or move, double or leave out a few."""
    content = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, MOST_CHANGES)):
        at, length = rng.randrange(len(content)), rng.randint(1, 16)
        match rng.randrange(4):
            case 0:
                content[at] = rng.randrange(256)
            case 1:
                content[at] ^= 1 << rng.randrange(8)
            case 2:
                to = rng.randrange(len(content))
                content[to : to + length] = content[at : at + length]
            case 3:
                content[at : at + length] = content[at : at + length] * rng.choice((0, 2))
    return bytes(content)


def honest() -> list[bytes]:
    """Tables under several compressions, one of numbers and nested columns."""
    text = pl.DataFrame({"image": ["a.png", "b/ä.png", None], "label": ["Shirt", "Coat", "Shirt"]})
    nested = pl.DataFrame({"label": [1, 2, None], "boxes": [[1.5], [], None], "meta": [{"a": "x"}] * 3})
    made = []
    for table in (text, nested):
        for compression in ("uncompressed", "snappy", "zstd"):
            buffer = io.BytesIO()
            table.write_parquet(buffer, compression=compression)
            made.append(buffer.getvalue())
    return made


if __name__ == "__main__":
    main()
