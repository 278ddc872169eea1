"""Classify while an audit runs beside it: the median time at one connection over that of the idle server, in turns.

The shipped model on Fashion-MNIST's training images, which the audit reads as PNGs out of a zip file.
"""

import io
import time
import zipfile
from collections.abc import Callable
from statistics import median
from typing import Any

import httpx
from load import closed, post
from PIL import Image
from process import PATIENCE, lookalike

from labels.fashion_mnist import CLASSES, find_fashion_mnist, read_fashion_mnist
from models.repository import SHIPPED

ROWS = 30_000
SECONDS = 2
ROUNDS = 5
BOUND = 1.5


def main() -> None:
    data = read_fashion_mnist(find_fashion_mnist(None))
    pictures = [_png(image) for image in data.train_images[:ROWS]]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as images:
        for i, picture in enumerate(pictures):
            images.writestr(f"{i}.png", picture)
    labels = "image,label\n" + "".join(f"{i}.png,{CLASSES[k]}\n" for i, k in enumerate(data.train_labels[:ROWS]))
    files = {"labels": ("labels.csv", labels.encode()), "images": ("images.zip", archive.getvalue())}

    requests = post("/v1/classify", pictures[:64], "image/png")
    idle, beside = [], []
    with (
        lookalike(SHIPPED) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE) as client,
    ):
        for _ in range(ROUNDS):
            idle.append(closed(server.port, requests, connections=1, seconds=SECONDS).milliseconds(0.5))
            audit = client.post("/v1/audits", files=files).raise_for_status().headers["Location"]
            _wait(client, audit, lambda state: state["done"] > 0)
            beside.append(closed(server.port, requests, connections=1, seconds=SECONDS).milliseconds(0.5))
            state = client.post(f"{audit}/cancel").raise_for_status().json()
            assert state["status"] in {"running", "cancelled"}, f"the audit ended too soon: {state}"
            _wait(client, audit, lambda state: state["status"] == "cancelled")
    ratio = median(b / a for a, b in zip(idle, beside, strict=True))
    print(f"p50 idle {median(idle):.2f} ms, beside an audit {median(beside):.2f} ms: ratio {ratio:.2f} (bound {BOUND})")


def _png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
    return buffer.getvalue()


def _wait(client: httpx.Client, audit: str, done: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done(state := client.get(audit).raise_for_status().json()):
        assert time.monotonic() < deadline, state
        time.sleep(0.02)


if __name__ == "__main__":
    main()
