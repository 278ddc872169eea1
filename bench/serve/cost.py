"""CPU time of a classify request beside decoding and ONNX Runtime alone, in turns: at 1, 8 and 64 connections.

The server's time is read from the operating system, its children's included. The floor runs on as many threads as the
server has work for, in batches of 1 or of 32, whichever takes less. Figures are medians over the rounds.
"""

import os
from statistics import median

from artifacts import SIZES, artifact
from floor import BATCHES, Floor
from load import closed, post
from pictures import jpegs
from process import lookalike

CONNECTIONS = (1, 8, 64)
REQUESTS = {"resnet20": (200, 400, 800), "resnet18": (8, 16, 192)}
"""In a round, at each number of connections: of 64, each asks several times, as in a steady flood."""
FLOOR_IMAGES = {"resnet20": 192, "resnet18": 32}
ROUNDS = {"resnet20": 7, "resnet18": 3}
BOUND = {"resnet20": 1.5, "resnet18": 1.05}
"""At 64 connections."""
MOST_EXTRA = 0.45
"""Milliseconds that a request may cost beyond a floor of 1 ms, at 64 connections."""
SETTINGS = {"DEADLINE_SECONDS": 300}
"""However busy the machine is, all are answered."""


def main() -> None:
    for name in SIZES:
        costs, floors = _rounds(name)
        for connections in CONNECTIONS:
            cost, floor = costs[connections], floors[_threads(connections)]
            ratio = median(a / b for a, b in zip(cost, floor, strict=True))
            bound = f" (bound {BOUND[name]})" if connections == CONNECTIONS[-1] else ""
            print(
                f"{name}, {connections:2} connections: {1e3 * median(cost):.2f} ms CPU a request, decoding and ONNX "
                f"Runtime alone {1e3 * median(floor):.2f} ms: ratio {ratio:.2f}{bound}"
            )
        if name == "resnet20":
            print(f"{name}: {ratio - 1:.2f} ms more where the floor is 1 ms (bound {MOST_EXTRA})")


def _rounds(name: str) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """CPU seconds a request by the connections, and of the floor by its threads, a figure a round."""
    model, pictures = artifact(name), jpegs(SIZES[name])
    images = [pictures[i % len(pictures)] for i in range(FLOOR_IMAGES[name])]
    floor, requests = Floor(model), post("/v1/classify", pictures)
    costs: dict[int, list[float]] = {connections: [] for connections in CONNECTIONS}
    floors: dict[tuple[int, int], list[float]] = {}
    with lookalike(model.path.parents[1], settings=SETTINGS) as server:
        for _ in range(1 + ROUNDS[name]):
            for connections, count in zip(CONNECTIONS, REQUESTS[name], strict=True):
                before = server.cpu_seconds()
                run = closed(server.port, requests, connections=connections, count=count)
                assert set(run.statuses) == {200}, run.statuses
                costs[connections].append((server.cpu_seconds() - before) / count)
            for threads in sorted({_threads(connections) for connections in CONNECTIONS}):
                for batch in BATCHES:
                    found = floor.cpu_seconds(images, batch=batch, threads=threads)
                    floors.setdefault((threads, batch), []).append(found)
    # The first round warms all up.
    least: dict[int, list[float]] = {}
    for threads, _ in floors:
        least[threads] = min((floors[threads, batch][1:] for batch in BATCHES), key=median)
    return {connections: found[1:] for connections, found in costs.items()}, least


def _threads(connections: int) -> int:
    return min(connections, len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    main()
