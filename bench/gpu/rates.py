"""Images a second of ONNX Runtime alone and of the classifier, for each bucket, measured by turns."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime

from models.manifest import GRAPH
from models.repository import ModelArtifact
from service.inference.classifier import Classifier
from service.inference.gpu_options import GpuOptions
from service.inference.session import open_session


@dataclass(frozen=True)
class Rates:
    """Medians over the rounds, images a second."""

    bucket: int
    raw: float
    one_thread: float
    two_threads: float

    @property
    def ratio(self) -> float:
        return max(self.one_thread, self.two_threads) / self.raw


def rates(
    artifact: ModelArtifact, device: str, gpu: GpuOptions, buckets: tuple[int, ...], seconds: float, rounds: int
) -> Iterator[Rates]:
    """Of each bucket: run from and into the device's memory, which is as fast as it gets; by the classifier."""
    session = open_session(artifact.path / GRAPH, device, gpu)
    classifier = Classifier(artifact, device=device, gpu=gpu)
    spec = artifact.manifest.input
    for bucket in buckets:
        images = np.random.default_rng(0).integers(
            0, 256, (bucket, spec.height, spec.width, spec.channels), dtype=np.uint8
        )
        arms = {
            "raw": (bound(session, images, classifier.infer(images), classifier.device), 1),
            "one": (lambda images=images: classifier.infer(images), 1),
            "two": (lambda images=images: classifier.infer(images), 2),
        }
        for run, _ in arms.values():
            run()
        seen: dict[str, list[float]] = {name: [] for name in arms}
        for _ in range(rounds):
            for name, (run, threads) in arms.items():
                seen[name].append(bucket * per_second(run, threads, seconds))
        yield Rates(bucket, *(statistics.median(seen[name]) for name in arms))


def bound(
    session: onnxruntime.InferenceSession, images: np.ndarray, outputs: Sequence[np.ndarray], device: str
) -> Callable[[], None]:
    """A run of a graph whose images are on the device already, and whose outputs stay there."""
    options, binding = onnxruntime.RunOptions(), session.io_binding()
    options.add_run_config_entry("gpu_graph_id", str(len(images)))
    binding.bind_ortvalue_input("images", onnxruntime.OrtValue.ortvalue_from_numpy(images, device))
    for name, values in zip(("logits", "embedding"), outputs, strict=True):
        buffer = onnxruntime.OrtValue.ortvalue_from_shape_and_type(values.shape, values.dtype, device)
        binding.bind_ortvalue_output(name, buffer)
    return lambda: session.run_with_iobinding(binding, options)


def per_second(run: Callable[[], object], threads: int, seconds: float) -> float:
    """How often threads together get something done in a second."""
    done = [0] * threads
    started = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - started < seconds:
            run()
            done[number] += 1

    others = [threading.Thread(target=work, args=(number,)) for number in range(1, threads)]
    for other in others:
        other.start()
    work(0)
    for other in others:
        other.join()
    return sum(done) / (time.perf_counter() - started)
