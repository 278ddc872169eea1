"""Serving on a GPU beside ONNX Runtime alone: how much of the hardware's speed reaches a client.

    make bench-gpu
    python bench/gpu/run.py --device cpu --quick    (the same in small, to see that it runs)

Residual networks with random weights. "Raw" is ONNX Runtime with IO binding, images and outputs on the device; the
classifier takes images from the host and gives outputs to it. All ends within ``--minutes``: what there is no time for
is left out, and named.
"""

import argparse
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import onnxruntime
from graphs import publish
from rates import rates
from served import Server, decoded_per_second, jpeg_of, server

from models.manifest import GRAPH, MANIFEST, Manifest
from models.repository import ModelRepository
from service.cores import allowed_cores
from service.inference.buckets import bucket_sizes
from service.inference.gpu_options import GpuOptions

SERVICE_SECONDS = 150
"""Kept for the part over the socket."""


class Plan(NamedTuple):
    """How much is measured."""

    networks: tuple[tuple[int, int], ...]
    """Depth and pixels."""
    buckets: tuple[int, ...]
    rounds: int
    seconds: float
    """Of each measurement."""
    load_seconds: float
    """Of each load over the socket."""
    form: int
    """JPEGs in a form."""
    connections: int
    """At most; fewer where requests of many images would be more than the queue has room for."""


FULL = Plan(tuple((depth, size) for size in (32, 224) for depth in (18, 34, 50)), bucket_sizes(32), 2, 0.12, 2, 16, 64)
QUICK = Plan(((18, 32),), (1, 2), 1, 0.05, 0.3, 2, 4)
WAYS = {
    "fp32": GpuOptions(),
    "tf32": GpuOptions(tf32=True),
    "fp16": GpuOptions(),
    "fp16, CUDA graphs": GpuOptions(cuda_graphs=True),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=8)
    chosen = parser.parse_args()
    plan = QUICK if chosen.quick else FULL
    end = time.monotonic() + 60 * chosen.minutes
    print(f"{hardware(chosen.device)}; ONNX Runtime {onnxruntime.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        graphs, served = ModelRepository(Path(folder, "graphs")), ModelRepository(Path(folder, "models"))
        raw = {}
        print("| network | computed in | batch | raw, images/s | classifier, one thread | two threads | best / raw |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for depth, size in plan.networks:
            if time.monotonic() > end - SERVICE_SECONDS * (not chosen.quick):
                print(f"\nno time for resnet{depth}-{size}")
                continue
            raw |= alone(graphs, served, depth, size, chosen.device, plan)
        before = gpu_megabytes()
        with server(served.root, Path(folder, "data"), chosen.device) as running:
            manifests = [artifact.manifest for artifact in served.all()]
            through_the_service(running, manifests, raw, plan, end)
            print(f"\nmemory of the server with {len(manifests)} models: {running.megabytes():.0f} MB", end="")
            print(f", of the GPU {gpu_megabytes() - before} MB" if chosen.device == "cuda" else "")
            swap(running, served, manifests[0], plan)


def alone(
    graphs: ModelRepository, served: ModelRepository, depth: int, size: int, device: str, plan: Plan
) -> dict[str, float]:
    """Raw and classifier, for each way and bucket; the best raw of what is served, by the model's name."""
    artifacts = publish(graphs, served, depth, size)
    best = 0.0
    for way, gpu in WAYS.items():
        if device == "cpu" and (gpu.tf32 or gpu.cuda_graphs):
            continue
        artifact = artifacts[way[:4]]
        options = replace(gpu, max_batch=plan.buckets[-1])
        for found in rates(artifact, device, options, plan.buckets, plan.seconds, plan.rounds):
            print(
                f"| {artifact.manifest.name} | {way} | {found.bucket} | {found.raw:.0f} | {found.one_thread:.0f} "
                f"| {found.two_threads:.0f} | {found.ratio:.2f} |",
                flush=True,
            )
            best = max(best, found.raw) if way == "fp16" else best
    return {f"resnet{depth}-{size}": best}


def through_the_service(
    running: Server, manifests: list[Manifest], raw: dict[str, float], plan: Plan, end: float
) -> None:
    """Tensors and JPEGs of each model, in the precision that is served: float16."""
    batch, form = plan.buckets[-1], plan.form
    head = [f"network, fp16 | raw at best | tensors, 1 a request | {batch} a request | best / raw"]
    head += [f"decoding, {allowed_cores()} cores | JPEGs, 1 a request | {form} a request | best / the smaller | failed"]
    print(f"\n| {' | '.join(head)} |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for manifest in manifests:
        if time.monotonic() > end - 20 * plan.load_seconds:
            print(f"\nno time for {manifest.name} over the socket")
            continue
        jpeg, seconds = jpeg_of(manifest.input.height), plan.load_seconds
        decoding = decoded_per_second(jpeg, manifest, seconds / 4)
        fewer = {images: min(plan.connections, 256 // images) for images in (1, batch, form)}
        sent = [
            (1, running.tensors(manifest, 1, seconds, fewer[1])),
            (batch, running.tensors(manifest, batch, seconds, fewer[batch])),
            (1, running.files(manifest, jpeg, 1, seconds, fewer[1])),
            (form, running.files(manifest, jpeg, form, seconds, fewer[form])),
        ]
        one, many, single, forms = (images * each.per_second for images, each in sent)
        ceiling = raw[manifest.name]
        print(
            f"| {manifest.name} | {ceiling:.0f} | {one:.0f} | {many:.0f} | {max(one, many) / ceiling:.2f} | "
            f"{decoding:.0f} | {single:.0f} | {forms:.0f} | {max(single, forms) / min(decoding, ceiling):.2f} | "
            f"{sum(each.failed for _, each in sent)} |",
            flush=True,
        )


def swap(running: Server, repository: ModelRepository, manifest: Manifest, plan: Plan) -> None:
    """Publish a second version under load, and wait until it is served."""
    seconds = 5 * plan.load_seconds
    quiet = running.tensors(manifest, 1, plan.load_seconds, 4)
    loads = []
    load = threading.Thread(target=lambda: loads.append(running.tensors(manifest, 1, seconds, 4)))
    load.start()
    first = repository.resolve(f"{manifest.name}@1")
    with repository.publishing(manifest.name) as (version, folder):
        shutil.copy(first.path / GRAPH, folder)
        (folder / MANIFEST).write_text(manifest.model_copy(update={"version": version}).model_dump_json())
    started = time.monotonic()
    while version not in running.versions(manifest.name) and load.is_alive():
        time.sleep(0.02)
    took = time.monotonic() - started
    load.join()
    print(
        f"a new version of {manifest.name}, published under load, was served after {took:.1f} s: {loads[0].failed} "
        f"requests failed; meanwhile {loads[0].per_second:.0f} a second were answered, before {quiet.per_second:.0f}"
    )


def hardware(device: str) -> str:
    """What it runs on, by name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = f"{allowed_cores()} cores of {names[0] if names else 'a CPU'}"
    return cpu if device == "cpu" else f"{'; '.join(nvidia_smi('name,driver_version,memory.total'))}; {cpu}"


def gpu_megabytes() -> int:
    """Memory of the first GPU that is in use, by whomever; 0 without one."""
    return int(next(nvidia_smi("memory.used", "nounits"), 0))


def nvidia_smi(query: str, *form: str) -> Iterator[str]:
    """A line for each GPU; none where there is no GPU."""
    command = ["nvidia-smi", f"--query-gpu={query}", f"--format={','.join(('csv', 'noheader', *form))}"]
    if shutil.which(command[0]):
        yield from subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    main()
