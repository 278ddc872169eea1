"""A Docker engine of the tests' own, and Compose.

Images, containers and networks of another engine are left alone. The rules of iptables are the machine's, though: an
engine that starts empties the chain that publishes ports. So `machine.lacks` asks that no other one runs containers.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .podman import ROOT, Podman

DAEMON = (
    *("--exec-opt", "native.cgroupdriver=cgroupfs"),
    *("--default-ulimit", "nofile=4096:4096", "--default-ulimit", "nproc=4096:4096"),
    *("--bridge", "none", "--containerd-namespace", "lookalike", "--containerd-plugins-namespace", "lookalike-plugins"),
)
"""As for podman: no systemd, limits no higher than our own. And apart from another engine's bridge and containers."""


class Docker:
    """Commands to one engine."""

    def __init__(self, socket: Path) -> None:
        self._environment = os.environ | {"DOCKER_HOST": f"unix://{socket}"}

    def __call__(self, *arguments: object, stdin: IO[bytes] | None = None, **variables: str) -> bytes:
        """Run a command with this engine, to its end; what it prints."""
        done = subprocess.run(
            list(map(str, arguments)),
            env=self._environment | variables,
            cwd=ROOT,
            stdin=stdin,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(map(str, arguments))}\n{done.stderr.decode()}"
        return done.stdout

    def take(self, podman: Podman, folder: Path, *images: str) -> None:
        """Copy images from podman."""
        archive = folder / "images.tar"
        podman("save", "--quiet", "--multi-image-archive", "--output", archive, *images, seconds=300)
        self("docker", "load", "--quiet", "--input", archive)
        archive.unlink()


@contextmanager
def running(eventually: Callable[[Callable[[], Any], str], Any]) -> Iterator[Docker]:
    """An engine for the length of the block, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        socket, log = folder / "docker.sock", folder / "log"
        places = ("--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid")
        assert shutil.which("dockerd"), "dockerd is missing: apt-get install docker.io"
        with log.open("wb") as output:
            daemon = subprocess.Popen(
                ["dockerd", *map(str, places), "--host", f"unix://{socket}", *DAEMON], stdout=output, stderr=output
            )
        try:
            docker = Docker(socket)
            eventually(lambda: socket.exists() or daemon.poll() is not None, "the Docker engine listens")
            assert daemon.poll() is None, log.read_text()
            docker("docker", "version")
            yield docker
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)
