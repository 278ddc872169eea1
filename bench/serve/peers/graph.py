"""The same graph and the same decoder for every peer: JPEGs to the five likeliest classes. Ours says more."""

import os

import numpy as np
import onnxruntime
import simplejpeg

TOP = 5


class Graph:
    """The ONNX file that ``MODEL`` names, at intra-op 1."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def probabilities(self, jpegs: list[bytes]) -> np.ndarray:
        """``[N, K]`` float32 of JPEGs that have the model's size."""
        images = np.stack([simplejpeg.decode_jpeg(jpeg, "RGB") for jpeg in jpegs])
        logits, _ = self._session.run(["logits", "embedding"], {"images": images})
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def answers(self, jpegs: list[bytes]) -> list[dict[str, float]]:
        """For each JPEG its likeliest classes."""
        probabilities = self.probabilities(jpegs)
        return [{f"class {k}": float(row[k]) for k in np.argsort(-row)[:TOP]} for row in probabilities]
