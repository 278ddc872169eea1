"""A retry storm: 256 clients that ask again at once, whatever they are told, of a server with room for 64 requests.

Goodput, that is answers with 200 a second, beside the same server's peak without overload, in turns; and beside a
server that answers its 503s at once instead of holding them back. Medians over the rounds.
"""

from contextlib import ExitStack
from statistics import median

from artifacts import SIZES, artifact
from load import closed, post
from pictures import jpegs
from process import lookalike

MODEL = "resnet20"
CLIENTS = 256
ROOM = 64
"""Requests that the server has room for; so many clients make the peak."""
DEADLINE = 2
"""Seconds that a request may take, told to the server."""
SECONDS = 4
ROUNDS = 5
LEAST_GOODPUT = 0.8
MOST_GROWTH = 0.05
"""Of resident memory, from the first storm to the last."""


def main() -> None:
    models, requests = artifact(MODEL).path.parents[1], post("/v1/classify", jpegs(SIZES[MODEL]))
    room = {"MAX_QUEUE": ROOM, "DEADLINE_SECONDS": DEADLINE}
    with ExitStack() as stack:
        arms = {
            "503s held back": stack.enter_context(lookalike(models, settings=room)),
            "503s at once": stack.enter_context(lookalike(models, settings=room | {"HOLD_SECONDS": 0})),
        }
        goodput: dict[str, list[float]] = {name: [] for name in arms}
        rejected: dict[str, list[float]] = {name: [] for name in arms}
        waits: dict[str, dict[int, float]] = {name: {200: 0, 503: 0} for name in arms}
        memory: dict[str, list[int]] = {name: [] for name in arms}
        for _ in range(ROUNDS):
            for name, server in arms.items():
                peak = closed(server.port, requests, connections=ROOM, seconds=SECONDS / 2)
                storm = closed(server.port, requests, connections=CLIENTS, seconds=SECONDS)
                assert set(peak.statuses) == {200}, peak.statuses
                assert set(storm.statuses) <= {200, 503}, storm.statuses
                goodput[name].append(storm.rate / peak.rate)
                rejected[name].append(storm.statuses[503] / storm.seconds)
                for answer in storm.answers:
                    waits[name][answer.status] = max(waits[name][answer.status], answer.seconds)
                memory[name].append(server.resident_bytes())
    for name in arms:
        growth = memory[name][-1] / memory[name][0] - 1
        rounds = ", ".join(f"{each:.2f}" for each in sorted(goodput[name]))
        print(
            f"{name}: goodput {median(goodput[name]):.2f} of the peak (aim >= {LEAST_GOODPUT}; rounds {rounds}), "
            f"{median(rejected[name]):.0f} 503s a second; longest wait for an answer "
            f"{waits[name][200]:.2f} s, for a 503 {waits[name][503]:.2f} s (bound {DEADLINE}); "
            f"resident {memory[name][-1] / 1e6:.0f} MB, {growth:+.1%} since the first storm (bound {MOST_GROWTH:.0%})"
        )


if __name__ == "__main__":
    main()
