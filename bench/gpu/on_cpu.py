"""What a GPU needs, on a CPU: buffers, full buckets and memory patterns, beside the plain run that is made there.

    python bench/gpu/on_cpu.py

CPU time of one thread, by turns; a memory figure comes from a process of its own.
"""

import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
from graphs import publish

from models.manifest import GRAPH
from models.repository import SHIPPED, ModelArtifact, ModelRepository
from service.inference.bound_runs import BoundRuns
from service.inference.gpu_options import GpuOptions
from service.inference.session import open_session

OUTPUTS = ["logits", "embedding"]
ROUNDS = 15


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain = ModelRepository(Path(folder, "plain"))
        publish(plain, ModelRepository(Path(folder, "half")), 18, 224)
        shipped, resnet = ModelRepository(SHIPPED).resolve(), plain.resolve()
        print("| model | images, bucket | plain, ms | bound and filled up, ms | ratio |")
        print("| --- | --- | --- | --- | --- |")
        for artifact, batches in ((shipped, (1, 5, 8, 17, 32)), (resnet, (1, 3, 4))):
            compare(artifact, batches)
        print("\n| model, batches of varying size in two threads | memory patterns | MB more | CPU s |")
        print("| --- | --- | --- | --- |")
        for artifact, largest in ((shipped, 32), (resnet, 8)):
            for patterns in (True, False):
                megabytes, seconds = in_a_process(artifact, largest, patterns)
                print(f"| {artifact} | {'yes' if patterns else 'no'} | {megabytes:.0f} | {seconds:.2f} |")


def compare(artifact: ModelArtifact, batches: tuple[int, ...]) -> None:
    """A plain run, and one from buffers of the next bucket."""
    session = open_session(artifact.path / GRAPH, "cpu", GpuOptions())
    runs = BoundRuns(session, OUTPUTS, shape_of(artifact), GpuOptions(max_batch=max(batches)), device="cpu")
    for size in batches:
        images = np.random.default_rng(0).integers(0, 256, (size, *shape_of(artifact)), dtype=np.uint8)
        arms = (lambda images=images: session.run(OUTPUTS, {"images": images}), lambda images=images: runs(images))
        pairs = [tuple(cpu_seconds(arm) for arm in arms) for _ in range(ROUNDS + 1)][1:]
        plain, bound = (1e3 * statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(bound / plain for plain, bound in pairs)
        bucket = 1 << (size - 1).bit_length()
        print(f"| {artifact} | {size}, {bucket} | {plain:.2f} | {bound:.2f} | {ratio:.2f} |", flush=True)


def cpu_seconds(run: Callable[[], object]) -> float:
    """Of one run; of as many as fill a twentieth of a second."""
    started, runs = time.thread_time(), 0
    while time.thread_time() - started < 0.05:
        run()
        runs += 1
    return (time.thread_time() - started) / runs


def in_a_process(artifact: ModelArtifact, largest: int, patterns: bool) -> tuple[float, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(grown, (artifact.path / GRAPH, (largest, *shape_of(artifact)), patterns))


def grown(graph: Path, shape: tuple[int, ...], patterns: bool) -> tuple[float, float]:
    """Megabytes by which a process grows while two threads run batches of all sizes, and the CPU seconds they take."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_mem_pattern = 1, patterns
    session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])

    def work(seed: int) -> None:
        for size in np.random.default_rng(seed).integers(1, shape[0] + 1, 20):
            session.run(OUTPUTS, {"images": np.zeros((size, *shape[1:]), dtype=np.uint8)})

    before, started = psutil.Process().memory_info().rss, time.process_time()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (psutil.Process().memory_info().rss - before) / 1e6, time.process_time() - started


def shape_of(artifact: ModelArtifact) -> tuple[int, int, int]:
    spec = artifact.manifest.input
    return spec.height, spec.width, spec.channels


if __name__ == "__main__":
    main()
