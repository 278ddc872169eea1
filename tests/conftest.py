"""What the tests of the service and the commands share: the example kit, the real service, and the real command."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from models.repository import SHIPPED
from service.http.server import DrainingServer
from service.services import Services
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60
"""Seconds after which something that is waited for counts as lost."""


def wait_until(done: Callable[[], Any], what: str) -> Any:
    """Ask again and again until the answer is true, and return it; fails after ``PATIENCE``."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := done()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE} s in vain: {what}")
        time.sleep(0.01)
    return answer


@dataclass(frozen=True)
class Kit:
    """The example kit: 600 images with labels, 120 of them wrong, and the truth."""

    path: Path
    archive: bytes
    """Its images, zipped."""

    @property
    def labels(self) -> Path:
        return self.path / "labels.csv"

    @property
    def truth(self) -> Path:
        return self.path / "truth.csv"

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def groups(self) -> Path:
        return self.path / "groups.json"

    def image(self, number: int) -> Path:
        return self.images / f"{number:03}.png"


@dataclass(frozen=True)
class ServiceUnderTest:
    """A running service and how to talk to it."""

    http: httpx.Client
    data_dir: Path
    services: Services

    def classify(self, image: bytes, **parameters: Any) -> httpx.Response:
        """Send one image as the body."""
        headers = {"Content-Type": "application/octet-stream"}
        return self.http.post("/v1/classify", content=image, headers=headers, params=parameters)

    def classify_many(self, *images: bytes, **parameters: Any) -> httpx.Response:
        """Send images as a form."""
        files = [("images", (f"{i}.png", image)) for i, image in enumerate(images)]
        return self.http.post("/v1/classify", files=files, params=parameters)

    def submit(
        self,
        labels: bytes | str,
        images: bytes,
        *,
        labels_name: str = "labels.csv",
        images_name: str = "images.zip",
        **fields: str,
    ) -> httpx.Response:
        """Upload an audit."""
        content = labels.encode() if isinstance(labels, str) else labels
        files = {"labels": (labels_name, content), "images": (images_name, images)}
        return self.http.post("/v1/audits", files=files, data=fields)

    def ended(self, location: str) -> dict[str, Any]:
        """Wait until an audit has ended; its last state."""

        def state() -> dict[str, Any] | None:
            answer: dict[str, Any] = self.http.get(location).json()
            return None if answer["status"] in {"queued", "running"} else answer

        found: dict[str, Any] = wait_until(state, f"{location} ends")
        return found

    def audit(self, labels: bytes | str, images: bytes, **options: str) -> str:
        """Upload an audit that must succeed; its path."""
        answer = self.submit(labels, images, **options)
        assert answer.status_code == 202, answer.text
        location: str = answer.headers["Location"]
        state = self.ended(location)
        assert state["status"] == "succeeded", state
        return location

    def rows(self, location: str, **query: Any) -> list[dict[str, Any]]:
        """All rows of an audit that a query asks for, page by page."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.http.get(f"{location}/rows", params=query | cursor).json()
            assert page.keys() == {"rows", "next_cursor"}
            found += page["rows"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def exported(self, location: str, form: str, labels: str = "given") -> tuple[list[str], list[list[Any]]]:
        """Columns and rows of an export."""
        answer = self.http.get(f"{location}/export", params={"format": form, "labels": labels})
        assert answer.status_code == 200, answer.text
        if form == "csv":
            header, *rows = csv.reader(io.StringIO(answer.content.decode(), newline=""))
            return header, rows
        if form == "jsonl":
            objects = [json.loads(line) for line in answer.content.decode().splitlines()]
            return list(objects[0]), [list(each.values()) for each in objects]
        table = pl.read_parquet(io.BytesIO(answer.content))
        return table.columns, [list(row) for row in table.iter_rows()]


StartService = Callable[..., AbstractContextManager[ServiceUnderTest]]


@contextmanager
def _served(data_dir: Path, **settings: Any) -> Iterator[ServiceUnderTest]:
    """The application from start to end, in this process, behind a socket of its own."""
    chosen = Settings.model_validate({"data_dir": data_dir, "inference_threads": 1, "device": "cpu"} | settings)
    with Services.running(chosen) as services:
        server = DrainingServer(services, host="127.0.0.1", port=0)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), "the service starts")
            assert server.started
            port = server.servers[0].sockets[0].getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
                yield ServiceUnderTest(client, data_dir, services)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any], str], Any]:
    """Wait for something to become true, not for a time."""
    return wait_until


@pytest.fixture(scope="session")
def kit() -> Kit:
    """The example kit of the repository."""
    path = ROOT / "examples" / "fashion-mnist"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for image in sorted((path / "images").iterdir()):
            archive.write(image, image.name)
    return Kit(path, buffer.getvalue())


@pytest.fixture(scope="session")
def lying_parquet() -> bytes:
    """A Parquet file that says of a page that it has -18 values, upon which polars ends its process."""
    buffer = io.BytesIO()
    pl.DataFrame({"label": ["Shirt", "Coat", None]}).write_parquet(buffer, compression="uncompressed")
    honest, lying = b",\x15\x06\x15\x10", b",\x15\x23\x15\x10"  # Thrift: number of values 3 or -18, encoding 8
    assert buffer.getvalue().count(honest) == 1
    return buffer.getvalue().replace(honest, lying)


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The model repository that comes with the project."""
    return SHIPPED


@pytest.fixture(scope="session")
def start_service() -> StartService:
    """A service of one's own, with settings of one's own, for the length of a ``with`` block."""
    return _served


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceUnderTest]:
    """One service with the shipped model, shared by tests that leave nothing behind that others could trip over."""
    with _served(tmp_path_factory.mktemp("service")) as running:
        yield running


@dataclass(frozen=True)
class Command:
    """The command ``lookalike`` as a process of its own."""

    cwd: Path

    def process(self, *arguments: object, settings: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it; by the function that the installed command calls, in this very interpreter."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LOOKALIKE_")}
        return subprocess.Popen(
            [sys.executable, "-c", "from lookalike.cli import main; main()", *map(str, arguments)],
            cwd=self.cwd,
            env=environment | {"LOOKALIKE_DATA_DIR": str(self.cwd / "data"), **(settings or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: object, settings: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.process(*arguments, settings=settings)
        try:
            out, err = process.communicate(timeout=120)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def lookalike(tmp_path: Path) -> Command:
    """``lookalike("classify", image)``, in an empty folder of its own."""
    return Command(tmp_path)
