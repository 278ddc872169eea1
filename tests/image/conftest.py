"""What the tests of the images share. They run by `make image-test`, and fail where a tool is missing."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .machine import lacks
from .podman import Container, Podman
from .stand_ins import base_image

IMAGE = "localhost/lookalike-test/service:1-cpu"
HARDENED = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,size=64m"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--memory", "1g", "--pids-limit", 100),
    *("-p", "127.0.0.1::8000", "-e", "LOOKALIKE_ALLOW_ANONYMOUS=true", "-e", "LOOKALIKE_INFERENCE_THREADS=2"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is in this folder is `image`, or `image_gpu` where it says so."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("image_gpu"):
            item.add_marker("image")


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Nothing is tried on a machine that lacks something, and all that it lacks is said at once."""
    if found := lacks():
        pytest.exit("\n".join(["The tests of the images need:", *found]), returncode=1)


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    """The engine."""
    return Podman(tmp_path_factory.mktemp("podman"))


@pytest.fixture(scope="session")
def base(podman: Podman) -> str:
    """The stand-in for the official base image."""
    return base_image(podman)


@pytest.fixture(scope="session")
def image(podman: Podman, base: str) -> str:
    """The service's image, from the Dockerfile as it is."""
    podman.make("image", f"IMAGE={IMAGE}", flags=("--build-arg", f"BASE_IMAGE={base}"))
    return IMAGE


@pytest.fixture
def hardened(podman: Podman, image: str) -> Iterator[Any]:
    """Start a container that may do nothing but serve: ``hardened(LOOKALIKE_X="1")``; it is gone after the test."""
    with ExitStack() as stack:

        def start(*options: object, **settings: object) -> Container:
            given = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
            return stack.enter_context(podman.running(image, *HARDENED, *given, *options))

        yield start
