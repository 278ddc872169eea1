"""What can't be left out of an answer: decoding and ONNX Runtime alone, in this process, on some threads."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import simplejpeg

from models.manifest import GRAPH
from models.repository import ModelArtifact

BATCHES = (1, 32)


class Floor:
    """A model's graph at intra-op 1."""

    def __init__(self, artifact: ModelArtifact) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        graph = artifact.path / GRAPH
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def one(self, batch: Sequence[bytes]) -> None:
        """Decode and run a batch of JPEGs that have the model's size."""
        images = np.stack([simplejpeg.decode_jpeg(jpeg, "RGB") for jpeg in batch])
        self._session.run(["logits", "embedding"], {"images": images})

    def cpu_seconds(self, jpegs: Sequence[bytes], *, batch: int, threads: int) -> float:
        """CPU time an image, all threads going through the JPEGs at once."""

        def go(_: int) -> None:
            for start in range(0, len(jpegs), batch):
                self.one(jpegs[start : start + batch])

        with ThreadPoolExecutor(threads) as pool:
            started = time.process_time()
            list(pool.map(go, range(threads)))
            return (time.process_time() - started) / (threads * len(jpegs))
