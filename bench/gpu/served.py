"""Images a second through the real server, over a real socket; its memory; and a new version while it answers."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rates import per_second

from models.images import decode_image
from models.manifest import Manifest
from models.preprocessing import to_input
from service.settings import Settings

PROCESSES = 4
"""That send requests, at most."""


@dataclass(frozen=True)
class Sent:
    """What became of a load."""

    per_second: float
    """Requests that were answered."""
    failed: int


@dataclass(frozen=True)
class Server:
    """A server under way."""

    pid: int
    port: int

    def post(self, path: str, body: bytes, headers: dict[str, str], seconds: float, connections: int) -> Sent:
        """Send the same request over so many connections."""
        command = [sys.executable, Path(__file__).with_name("load.py"), str(self.port), path, str(seconds)]
        processes = min(PROCESSES, connections // 2)
        fields = [f"{name}={value}" for name, value in headers.items()]
        found: list[dict[str, Any]] = []

        def run() -> None:
            ended = subprocess.run(
                [*command, str(connections // processes), *fields], input=body, stdout=subprocess.PIPE, check=True
            )
            found.append(json.loads(ended.stdout))

        threads = [threading.Thread(target=run) for _ in range(processes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failed = sum(each["failed"] for each in found)
        if not sum(each["per_second"] for each in found):
            raise SystemExit(f"{path} answers {found[0]['statuses']}")
        return Sent(sum(each["per_second"] for each in found), failed)

    def tensors(self, manifest: Manifest, images: int, seconds: float, connections: int) -> Sent:
        """By the Open Inference Protocol with its binary tensor extension: bytes in, logits out."""
        spec = manifest.input
        shape = [images, spec.height, spec.width, spec.channels]
        data = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8).tobytes()
        head = json.dumps(
            {
                "inputs": [
                    {
                        "name": "images",
                        "shape": shape,
                        "datatype": "UINT8",
                        "parameters": {"binary_data_size": len(data)},
                    }
                ],
                "outputs": [{"name": "logits", "parameters": {"binary_data": True}}],
            }
        ).encode()
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        return self.post(f"/v2/models/{manifest.name}/infer", head + data, headers, seconds, connections)

    def files(self, manifest: Manifest, jpeg: bytes, images: int, seconds: float, connections: int) -> Sent:
        """By ``/v1/classify``: one file as the body, or several as a form."""
        path = f"/v1/classify?model={manifest.name}&top_k=1"
        if images == 1:
            return self.post(path, jpeg, {"Content-Type": "image/jpeg"}, seconds, connections)
        part = b'--part\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n' + jpeg + b"\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=part"}
        return self.post(path, part * images + b"--part--\r\n", headers, seconds, connections)

    def versions(self, name: str) -> list[str]:
        """The versions of a model that are served."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz") as answer:
            return json.load(answer)["models"].get(name, [])

    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000


@contextlib.contextmanager
def server(models: Path, data: Path, device: str) -> Iterator[Server]:
    """A server that is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"DEVICE": device, "MODELS_POLL_SECONDS": "0.5", "DATA_DIR": str(data), "WORKER": "off"}
    command = [Path(sys.executable).parent / "lookalike", "serve", "--port", str(port), "--models", models]
    environment = os.environ | {f"LOOKALIKE_{name}": value for name, value in settings.items()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        running = Server(process.pid, port)
        try:
            while process.poll() is None:
                with contextlib.suppress(OSError):
                    running.versions("")
                    break
                time.sleep(0.05)
            else:
                raise SystemExit("the server does not start")
            yield running
        finally:
            process.terminate()


def jpeg_of(size: int) -> bytes:
    """A picture with large shapes and a little noise, an eighth larger than the model's input."""
    larger = size + size // 8
    rows, columns = np.mgrid[0:larger, 0:larger] / larger
    waves = 128 + 100 * np.sin(9 * np.stack([rows, columns, rows * columns], axis=2))
    noisy = waves + np.random.default_rng(0).normal(0, 6, waves.shape)
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def decoded_per_second(jpeg: bytes, manifest: Manifest, seconds: float) -> float:
    """How many such files all cores decode and resize in a second."""
    return per_second(lambda: to_input(decode_image(jpeg), manifest.input), Settings().cpu_threads, seconds)
