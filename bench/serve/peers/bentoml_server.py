"""The model on BentoML: a worker a core, its metrics and access log off, no batching.

Its batching gave fewer requests a second at every number of connections. It takes no plain body: JPEGs come as base64.
"""

import os
from base64 import b64decode

import bentoml
from graph import Graph


@bentoml.service(
    workers=len(os.sched_getaffinity(0)), metrics={"enabled": False}, logging={"access": {"enabled": False}}
)
class Classifier:
    def __init__(self) -> None:
        self.graph = Graph()

    @bentoml.api
    def classify(self, jpeg: str) -> dict[str, float]:
        return self.graph.answers([b64decode(jpeg)])[0]
