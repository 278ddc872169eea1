"""How long a request takes: alone, beside decoding, inference and a route that does nothing; and at 70 % of capacity.

At one connection, in turns: a classify request, ``/healthz`` of the same server, and decoding and ONNX Runtime in this
process. Under load requests come at random times, however the server fares, and count from when they were due. Beside
it stands an ideal server: so many cores, equal work, nothing lost (the queue M/D/c).
"""

import heapq
import random
import time
from statistics import median, quantiles

from artifacts import SIZES, artifact
from floor import Floor
from load import arriving, closed, get, post
from pictures import jpegs
from process import lookalike

ROUNDS = {"resnet20": 5, "resnet18": 3}
ALONE = {"resnet20": 200, "resnet18": 16}
"""Requests at one connection in a round."""
MOST_OVERHEAD = 1.0
"""Milliseconds over decoding and inference, beyond what a route that does nothing takes."""
SHARE = 0.7
SECONDS = {"resnet20": 4, "resnet18": 10}
"""Of load in a round, after a quarter of it to find the capacity."""
CONNECTIONS = 64
MOST_SPREAD = 3.0
"""Times the median that the 99th percentile may take under load."""


def main() -> None:
    for name in SIZES:
        model, pictures = artifact(name), jpegs(SIZES[name])
        floor, requests = Floor(model), post("/v1/classify", pictures)
        with lookalike(model.path.parents[1]) as server:
            overheads, nothings, floors = [], [], []
            for _ in range(ROUNDS[name]):
                count = ALONE[name]
                floors.append(median(_milliseconds(floor, jpeg) for jpeg in (pictures * count)[:count]))
                nothings.append(closed(server.port, get("/healthz"), connections=1, count=200).milliseconds(0.5))
                run = closed(server.port, requests, connections=1, count=count)
                overheads.append(run.milliseconds(0.5) - floors[-1])
            beyond = median(a - b for a, b in zip(overheads, nothings, strict=True))
            print(
                f"{name}, alone: {median(overheads):.2f} ms over decoding and inference ({median(floors):.2f} ms), a "
                f"route that does nothing {median(nothings):.2f} ms: {beyond:.2f} ms more (bound {MOST_OVERHEAD})"
            )
            spreads, halves, rates = [], [], []
            for seed in range(ROUNDS[name]):
                seconds = SECONDS[name]
                capacity = closed(server.port, requests, connections=CONNECTIONS, seconds=seconds / 4).rate
                rates.append(SHARE * capacity)
                run = arriving(server.port, requests, rate=rates[-1], seconds=seconds, seed=seed)
                assert set(run.statuses) == {200}, run.statuses
                halves.append(run.milliseconds(0.5))
                spreads.append(run.milliseconds(0.99) / halves[-1])
            print(
                f"{name}, {SHARE:.0%} load ({median(rates):.0f} requests/s): p50 {median(halves):.1f} ms, p99 "
                f"{median(spreads):.1f} times that (bound {MOST_SPREAD:.0f}; rounds "
                f"{', '.join(f'{each:.1f}' for each in sorted(spreads))}; an ideal server {ideal_spread():.1f})"
            )


def ideal_spread(cores: int = 2, requests: int = 100_000) -> float:
    """How many times the median the 99th percentile is where ``cores`` empty a queue of requests that cost the same."""
    chance, due, times = random.Random(0), 0.0, []
    free = [0.0] * cores
    for _ in range(requests):
        due += chance.expovariate(SHARE * cores)
        end = max(due, heapq.heappop(free)) + 1
        heapq.heappush(free, end)
        times.append(end - due)
    percentiles = quantiles(times, n=100)
    return percentiles[98] / percentiles[49]


def _milliseconds(floor: Floor, jpeg: bytes) -> float:
    started = time.perf_counter()
    floor.one([jpeg])
    return 1e3 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
