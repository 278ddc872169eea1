"""The servers that ours is measured beside, each in an environment of its own below ``runs/bench-serve``."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

from artifacts import CACHE
from load import post
from process import Server, free_port, running

from models.manifest import GRAPH
from models.repository import ModelArtifact

PEERS = Path(__file__).parent / "peers"


@contextlib.contextmanager
def litserve(model: ModelArtifact) -> Iterator[Server]:
    port = free_port()
    command = [environment("litserve") / "python", "litserve_server.py"]
    with running(command, port, "/health", _told(model) | {"PORT": str(port)}, PEERS) as server:
        yield server


def litserve_requests(jpegs: Sequence[bytes]) -> list[bytes]:
    return post("/predict", jpegs)


@contextlib.contextmanager
def bentoml(model: ModelArtifact) -> Iterator[Server]:
    port = free_port()
    command = [environment("bentoml") / "bentoml", "serve", "bentoml_server:Classifier"]
    address = ["--host", "127.0.0.1", "--port", port]
    told = _told(model) | {"BENTOML_DO_NOT_TRACK": "True"}
    with running(command + address, port, "/readyz", told, PEERS) as server:
        yield server


def bentoml_requests(jpegs: Sequence[bytes]) -> list[bytes]:
    bodies = [json.dumps({"jpeg": b64encode(jpeg).decode()}).encode() for jpeg in jpegs]
    return post("/classify", bodies, "application/json")


@contextlib.contextmanager
def triton(model: ModelArtifact) -> Iterator[Server]:
    """Triton's own server, as nvidia-pytriton carries it, without that package's Python in between."""
    binaries = environment("triton", python="3.13")
    (packages,) = binaries.parent.glob("lib/python3.13/site-packages")
    carried = packages / "pytriton" / "tritonserver"
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend = folder / "backends" / "python"
        shutil.copytree(carried / "backends" / "python", backend)
        shutil.copy(carried / "python_backend_stubs" / "3.13" / "triton_python_backend_stub", backend)
        version = folder / "models" / "classifier" / "1"
        version.mkdir(parents=True)
        shutil.copy(PEERS / "triton_model.py", version / "model.py")
        shutil.copy(PEERS / "graph.py", version)
        instances = f"instance_group [{{ kind: KIND_CPU, count: {len(os.sched_getaffinity(0))} }}]\n"
        (version.parent / "config.pbtxt").write_text((PEERS / "config.pbtxt").read_text() + instances)
        command = [
            carried / "bin" / "tritonserver",
            f"--model-repository={folder / 'models'}",
            f"--backend-directory={folder / 'backends'}",
            "--http-address=127.0.0.1",
            f"--http-port={port}",
            "--http-thread-count=64",  # with the default of 8 it is half as quick at 64 connections
            "--allow-grpc=false",
            "--allow-metrics=false",
        ]
        told = _told(model) | {
            "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PYTHONPATH": str(packages),
        }
        with running(command, port, "/v2/health/ready", told) as server:
            yield server


def triton_requests(jpegs: Sequence[bytes]) -> list[bytes]:
    """The leanest it takes: the plain bytes of its one input; answers are binary."""
    kind, headers = "application/octet-stream", "Inference-Header-Content-Length: 0\r\n"
    return post("/v2/models/classifier/infer", jpegs, kind, headers)


def _told(model: ModelArtifact) -> dict[str, str]:
    return {"MODEL": str(model.path / GRAPH)}


def environment(name: str, python: str | None = None) -> Path:
    """The folder of a peer's commands; it is installed where it is missing or not as ``peers/NAME.txt`` says."""
    folder, wanted = CACHE / "peers" / name, PEERS / f"{name}.txt"
    installed = folder / wanted.name
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([_interpreter(python), "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", wanted], check=True)
        shutil.copy(wanted, installed)
    return folder / "bin"


def _interpreter(version: str | None) -> str | Path:
    """CPython of a version, found on the PATH or among pyenv's; this one where none is named."""
    if version is None:
        return sys.executable
    on_path = shutil.which(f"python{version}")
    for found in (*([on_path] if on_path else []), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        if subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:  # no mere shim
            return found
    raise RuntimeError(f"no CPython {version}, which Triton's Python backend needs: install one, or pyenv's")
