"""Requests a second and CPU time a request beside LitServe, BentoML and Triton, in turns.

The same graph, decoder and machine: a ResNet-20 at 32 pixels. Each peer runs as it was quickest here (``peers/`` says
how) and answers with the likeliest classes or the bare probabilities; ours gives its whole answer. While one is
measured the others stand still: LitServe keeps most of a core busy while it waits.
"""

from contextlib import ExitStack
from statistics import median

from artifacts import SIZES, artifact
from load import closed, post
from peer_servers import bentoml, bentoml_requests, litserve, litserve_requests, triton, triton_requests
from pictures import jpegs
from process import lookalike

MODEL = "resnet20"
CONNECTIONS = (1, 8, 64)
SECONDS = 1.5
ROUNDS = 5
LITSERVE_SHARE = 1 / 3
"""Most of LitServe's CPU time that a request may take."""

Figures = dict[tuple[str, int], list[float]]
"""By the server and the connections, a figure a round."""


def main() -> None:
    rates, costs = _rounds()
    for (name, connections), rate in rates.items():
        cost = costs[name, connections]
        line = f"{name}, {connections:2} connections: {median(rate):.0f} requests/s, {1e3 * median(cost):.2f} ms CPU"
        if name != "ours":
            ahead = median(a / b for a, b in zip(rates["ours", connections], rate, strict=True))
            share = median(a / b for a, b in zip(costs["ours", connections], cost, strict=True))
            aim = f" (aim <= {LITSERVE_SHARE:.2f})" if name == "LitServe" else ""
            line += f"; ours has {ahead:.2f} times its requests/s (aim > 1), {share:.2f} times its CPU{aim}"
        print(line)
    print("Triton runs ONNX Runtime in its Python backend: what PyPI has of it carries no other")


def _rounds() -> tuple[Figures, Figures]:
    """Requests a second, and CPU seconds a request."""
    model, pictures = artifact(MODEL), jpegs(SIZES[MODEL])
    rates: Figures = {}
    costs: Figures = {}
    with ExitStack() as stack:
        arms = {
            "ours": (stack.enter_context(lookalike(model.path.parents[1])), post("/v1/classify", pictures)),
            "LitServe": (stack.enter_context(litserve(model)), litserve_requests(pictures)),
            "BentoML": (stack.enter_context(bentoml(model)), bentoml_requests(pictures)),
            "Triton": (stack.enter_context(triton(model)), triton_requests(pictures)),
        }
        for server, _ in arms.values():
            server.pause()
        for turn in range(1 + ROUNDS):
            for connections in CONNECTIONS:
                for name, (server, requests) in arms.items():
                    server.resume()
                    before = server.cpu_seconds()
                    run = closed(server.port, requests, connections=connections, seconds=SECONDS)
                    cost = (server.cpu_seconds() - before) / len(run.answers)
                    server.pause()
                    assert set(run.statuses) == {200}, (name, run.statuses)
                    if turn:  # the first warms all up
                        rates.setdefault((name, connections), []).append(run.rate)
                        costs.setdefault((name, connections), []).append(cost)
    return rates, costs


if __name__ == "__main__":
    main()
