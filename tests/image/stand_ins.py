"""A stand-in for the official base image, out of Debian's packages.

It is not the official image: its Python is Debian's, and patch levels and files differ. What is built on it shows that
our files are right, not that the official image is.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from .machine import mirror
from .podman import Podman

BASE = "localhost/lookalike-test/python:slim-bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"


def base_image(podman: Podman) -> str:
    """Make the stand-in for ``python:3.12-slim-bookworm`` unless there is one; its name."""
    if podman.try_to("image", "exists", BASE).returncode:
        with tempfile.TemporaryDirectory(prefix="base-") as folder:
            root, archive = Path(folder) / "root", Path(folder) / "root.tar"
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root), *mirror()]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
            for waste in ("var/cache/apt", "var/lib/apt/lists"):
                shutil.rmtree(root / waste)
            subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True, timeout=600)
            podman("import", "--change", "CMD python3", archive, BASE, seconds=600)
    return BASE
