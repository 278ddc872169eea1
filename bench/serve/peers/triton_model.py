"""The model inside Triton's Python backend, on ONNX Runtime: the server that PyPI has carries no backend for it."""

import triton_python_backend_utils as triton
from graph import Graph


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:  # noqa: ARG002 - Triton passes it
        self.graph = Graph()

    def execute(self, requests: list) -> list:
        jpegs = [triton.get_input_tensor_by_name(request, "image").as_numpy()[0, 0] for request in requests]
        rows = self.graph.probabilities(jpegs)
        return [triton.InferenceResponse([triton.Tensor("probabilities", row[None])]) for row in rows]
