"""CPU time of a classify request, against its limit: decoding and ONNX Runtime alone, in the same run.

    make bench

The server is a real one on a real socket; its CPU time is read from the operating system. Rounds of both arms are
interleaved, and the figures are medians over the rounds.
"""

import contextlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from models.images import decode_image
from models.preprocessing import to_input
from models.repository import SHIPPED, ModelRepository
from service.inference.classifier import Classifier

KIT = Path(__file__).parents[1] / "examples/fashion-mnist/images"
ROUNDS = 7
REQUESTS = 600
BATCH = 32


def main() -> None:
    images = [path.read_bytes() for path in sorted(KIT.iterdir())][:REQUESTS]
    classifier = Classifier(ModelRepository(SHIPPED).resolve())
    with server() as (pid, port):
        for connections in (1, 16):
            floors, requests = [], []
            for _ in range(ROUNDS + 1):
                floors.append(floor(classifier, images))
                requests.append(served(pid, port, images, connections))
            # The first round warms both up.
            ratio = statistics.median(b / a for a, b in zip(floors[1:], requests[1:], strict=True))
            print(
                f"{connections:3} connections: {1e3 * statistics.median(requests[1:]):.2f} ms CPU a request, "
                f"decode and ONNX Runtime alone {1e3 * statistics.median(floors[1:]):.2f} ms, ratio {ratio:.2f}"
            )


def floor(classifier: Classifier, images: list[bytes]) -> float:
    """CPU seconds an image for what can't be left out."""
    started = time.process_time()
    for start in range(0, len(images), BATCH):
        batch = [to_input(decode_image(data), classifier.manifest.input) for data in images[start : start + BATCH]]
        classifier.infer(np.stack(batch))
    return (time.process_time() - started) / len(images)


def served(pid: int, port: int, images: list[bytes], connections: int) -> float:
    """CPU seconds of the server a request."""

    def send(part: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for data in part:
            connection.request("POST", "/v1/classify", data, {"Content-Type": "image/png"})
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status
        connection.close()

    started = cpu_seconds(pid)
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, [images[i::connections] for i in range(connections)]))
    return (cpu_seconds(pid) - started) / len(images)


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def server() -> Iterator[tuple[int, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).parent / "lookalike", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    connection = http.client.HTTPConnection("127.0.0.1", port)
                    connection.request("GET", "/readyz")
                    if connection.getresponse().status == 200:
                        break
                time.sleep(0.05)
            yield process.pid, port
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
