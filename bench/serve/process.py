"""Servers as processes of their own, and what they take: ours, and with it those it is measured beside."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOKALIKE = Path(sys.executable).with_name("lookalike")
PATIENCE = 60
"""Seconds that a server may take to be ready, or to end."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """User and system time of the family so far."""
        times = [each.cpu_times() for each in self.family()]
        return sum(each.user + each.system for each in times)

    def pause(self) -> None:
        """Stop the family where it is, until ``resume``: some servers keep a core busy while they wait."""
        for each in self.family():
            each.suspend()

    def resume(self) -> None:
        for each in reversed(self.family()):
            each.resume()

    def resident_bytes(self) -> int:
        """Of the serving process alone."""
        resident: int = psutil.Process(self.process.pid).memory_info().rss
        return resident


@contextlib.contextmanager
def lookalike(models: Path, *, settings: Mapping[str, object] | None = None) -> Iterator[Server]:
    """The real server with its defaults; ``settings`` are those of ``docs/settings.md`` without their prefix."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"LOOKALIKE_DATA_DIR": folder, "LOOKALIKE_MODELS_DIR": str(models)}
        environment |= {f"LOOKALIKE_{name}": str(value) for name, value in (settings or {}).items()}
        port = free_port()
        command = [LOOKALIKE, "serve", "--port", port]
        with running(command, port, "/readyz", environment) as server:
            yield server


@contextlib.contextmanager
def running(
    command: Sequence[object], port: int, ready: str, environment: Mapping[str, str], folder: Path | None = None
) -> Iterator[Server]:
    """A server from when the path ``ready`` answers 200 to the end of the block; what it says is shown if it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            list(map(str, command)), stdout=said, stderr=said, env=os.environ | environment, cwd=folder
        )
        server = Server(process, port)
        try:
            deadline = time.monotonic() + PATIENCE
            while not answers(port, ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    raise RuntimeError(f"{command[0]} is not ready: {said.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.01)
            yield server
        finally:
            _end(server)


def _end(server: Server) -> None:
    """Tell it to stop, and make sure that nothing of it stays."""
    family = server.family() if server.process.poll() is None else []
    for each in family:
        each.resume()
    server.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(PATIENCE)
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    server.process.wait(PATIENCE)


def answers(port: int, path: str) -> bool:
    """Whether a GET of the path is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
