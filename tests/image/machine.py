"""The machine that images are built on: whether it has what that takes, and how it reaches registries of packages."""

import os
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = {
    "podman": "podman",
    "conmon": "podman",
    "runc": "runc",
    "iptables": "iptables",
    "debootstrap": "debootstrap",
    "dockerd": "docker.io",
    "containerd": "docker.io",
    "docker": "docker.io",
}
"""And the packages of Debian that have them."""
FILES = {"/usr/lib/podman/netavark": "netavark", "/usr/lib/podman/aardvark-dns": "aardvark-dns"}
ROOM = 8_000_000_000
"""Bytes: images, a Docker engine with copies of them, and an archive of one."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP = {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries"}
APT = ("Acquire::http", "Acquire::https", "Acquire::Retries", "Acquire::Check-Date", "Acquire::Check-Valid-Until")


def lacks(room: int = ROOM) -> list[str]:
    """What is missing, each with its cure."""
    found = []
    if os.geteuid():
        found.append("root: networks, limits and debootstrap need it")
    packages = {package for command, package in COMMANDS.items() if not shutil.which(command)}
    packages |= {package for file, package in FILES.items() if not Path(file).exists()}
    if packages:
        found.append(f"apt-get install --no-install-recommends {' '.join(sorted(packages))}")
    if (
        shutil.which("docker")
        and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        found.append("Docker Compose 2: .ci/install-compose")
    if _containers_of_another_engine():
        found.append("no container under another Docker engine, whose published ports would be lost: docker stop them")
    found.extend(
        f"{room / 1e9:.0f} GB in {folder}, which has {free / 1e9:.1f}: podman system prune --all"
        for folder in ("/var/lib", tempfile.gettempdir())
        if (free := shutil.disk_usage(folder).free) < room
    )
    return found


def _containers_of_another_engine() -> bool:
    """Whether the machine's own Docker engine runs any; one that runs none loses nothing."""
    if not shutil.which("docker"):
        return False
    command = ["docker", "--host", "unix:///var/run/docker.sock", "ps", "--quiet"]
    return bool(subprocess.run(command, capture_output=True, check=False).stdout.strip())


def mirror() -> list[str]:
    """Where apt has Debian 12 from, if that is known: debootstrap's argument."""
    columns = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm")
    done = subprocess.run(columns, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[:1]


def lent_to_builds(folder: Path) -> list[str]:
    """Options of ``podman build`` that lend it what pip and apt here know of proxies, mirrors and authorities.

    They are mounted while commands run in the stages that install, so that nothing of them stays in an image.
    """
    pip, apt = folder / "pip.conf", folder / "apt.conf"
    known = _pip_settings()
    places = [
        known.get("cert"),
        os.environ.get("SSL_CERT_FILE"),
        ssl.get_default_verify_paths().cafile,
        str(AUTHORITIES),
    ]
    authority = next((place for place in places if place and Path(place).is_file()), None)
    mounts = [(pip, "/etc/pip.conf"), (apt, "/etc/apt/apt.conf.d/99lent")]
    lines = [f"{name} = {value}" for name, value in known.items() if name in PIP and "file:" not in value]
    if authority:
        mounts.append((Path(authority), "/run/authorities.crt"))
        lines.append("cert = /run/authorities.crt")
    pip.write_text("\n".join(["[global]", *lines, ""]))
    apt.write_text(subprocess.run(["apt-config", "dump", *APT], capture_output=True, text=True, check=True).stdout)
    return [part for source, target in mounts for part in ("-v", f"{source}:{target}:ro")]


def _pip_settings() -> dict[str, str]:
    """By name, of files and of the environment, which goes before them."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    settings = {}
    for line in sorted(done.stdout.splitlines(), reverse=True):  # ":env:." is less than "global." and comes later
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2].removeprefix("default-")] = shlex.split(value)[0]
    return settings
