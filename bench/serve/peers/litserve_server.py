"""The model on LitServe: a worker a core, batches of whatever waits, at most 32, through its fast queue."""

import os
from typing import Annotated

import litserve
from fastapi import Body
from graph import Graph


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it
        self.graph = Graph()

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        return request

    def predict(self, jpegs: list[bytes]) -> list[dict[str, float]]:
        return self.graph.answers(jpegs)

    def encode_response(self, answer: dict[str, float]) -> dict[str, float]:
        return answer


if __name__ == "__main__":
    cores = len(os.sched_getaffinity(0))
    server = litserve.LitServer(Api(max_batch_size=32), accelerator="cpu", workers_per_device=cores, fast_queue=True)
    port = int(os.environ["PORT"])
    server.run(host="127.0.0.1", port=port, log_level="error", access_log=False, generate_client_file=False)
