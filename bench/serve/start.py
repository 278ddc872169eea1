"""From the start of the process to ready, with the shipped model; what it has loaded; its memory after 1,000 requests.

Beside each start, in turns, that of an interpreter which only imports what a server can't do without.
"""

import subprocess
import sys
import time
from statistics import median

import psutil
from load import closed, post
from pictures import KIT
from process import lookalike

from models.repository import SHIPPED

ROUNDS = 7
REQUESTS = 1000
MOST_SECONDS = 1.5
MOST_MEGABYTES = 200
IMPORTS = "import fastapi, uvicorn, numpy, onnxruntime, PIL.Image, simplejpeg, sqlalchemy"


def main() -> None:
    requests = post("/v1/classify", [path.read_bytes() for path in sorted(KIT.iterdir())[:64]], "image/png")
    starts, imports = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", IMPORTS], check=True)
        imports.append(time.perf_counter() - began)
        began = time.perf_counter()
        with lookalike(SHIPPED) as server:
            starts.append(time.perf_counter() - began)
            if len(starts) < ROUNDS:
                continue
            run = closed(server.port, requests, connections=8, count=REQUESTS)
            assert set(run.statuses) == {200}, run.statuses
            mapped = {mapping.path for mapping in psutil.Process(server.process.pid).memory_maps()}
            torch = sorted(path for path in mapped if "torch" in path)
            megabytes = server.resident_bytes() / 1e6
    ratio = median(a / b for a, b in zip(starts, imports, strict=True))
    print(
        f"ready after {median(starts):.2f} s (bound {MOST_SECONDS}), {ratio:.2f} times what the bare imports take "
        f"({median(imports):.2f} s)"
    )
    print(f"torch in the process: {', '.join(torch) or 'no'} (must be no)")
    print(f"resident after {REQUESTS} requests: {megabytes:.0f} MB (bound {MOST_MEGABYTES})")


if __name__ == "__main__":
    main()
