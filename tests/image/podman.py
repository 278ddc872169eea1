"""Podman: building images and running containers with what a machine without systemd lets it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from .machine import lent_to_builds

ROOT = Path(__file__).parents[2]
SETTINGS = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
"""runc and cgroupfs work with either version of cgroups and without systemd; limits must be no higher than our own."""


class Podman:
    """``podman("images")`` runs a command and returns what it prints; one that fails is a failed test."""

    def __init__(self, folder: Path) -> None:
        settings = folder / "containers.conf"
        settings.write_text(SETTINGS)
        self.environment = os.environ | {"CONTAINERS_CONF": str(settings)}
        # Of the two formats of images, OCI's has no health check.
        self.build_flags = ["--pull=never", "--format", "docker", "--network", "host", *lent_to_builds(folder)]

    def __call__(self, *arguments: object, seconds: float = 120) -> str:
        done = self.try_to(*arguments, seconds=seconds)
        assert done.returncode == 0, f"podman {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def try_to(self, *arguments: object, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        return subprocess.run(
            ["podman", *map(str, arguments)],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def make(self, target: str, *variables: str, flags: tuple[str, ...] = (), folder: Path = ROOT) -> None:
        """Build an image by the Makefile."""
        command = ["make", "-s", target, "ENGINE=podman", f"BUILD_FLAGS={' '.join([*self.build_flags, *flags])}"]
        done = subprocess.run(
            [*command, *variables], env=self.environment, cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def inspect(self, what: str) -> dict[str, Any]:
        """What there is to know of an image or a container."""
        found: dict[str, Any] = json.loads(self("inspect", what))[0]
        return found

    @contextmanager
    def running(self, image: str, *options: object, command: tuple[object, ...] = ()) -> Iterator["Container"]:
        """A container for the length of the block; its volumes go with it."""
        name = self("run", "-d", "--pull=never", *options, image, *command)
        try:
            yield Container(self, name)
        finally:
            self("rm", "-f", "-v", "-t", 0, name)


class Container:
    """A running container of the service."""

    def __init__(self, podman: Podman, name: str) -> None:
        self.podman, self.name = podman, name

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.podman.inspect(self.name)["State"]
        return state

    @property
    def logs(self) -> str:
        done = self.podman.try_to("logs", self.name)
        return done.stdout + done.stderr

    def python(self, code: str) -> str:
        """Run Python beside the service: the image needs no shell."""
        return self.podman("exec", self.name, "python", "-c", code)

    @cached_property
    def address(self) -> str:
        """Where its port 8000 is published."""
        return self.podman("port", self.name, "8000/tcp").splitlines()[0]

    def client(self) -> httpx.Client:
        """A new client, without connections yet."""
        return httpx.Client(base_url=f"http://{self.address}", timeout=30, trust_env=False)
