"""Take pictures of every page, light and dark, wide and narrow, beside this file: `make screenshots`.

With names as arguments, of these scenes alone.
"""

import io
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from service.access.key_file import add_key
from service.access.keys import new_key
from service.http.server import DrainingServer
from service.services import Services
from service.settings import Settings

HERE = Path(__file__).parent
KIT = HERE.parents[1] / "examples" / "fashion-mnist"
SIZES = {"wide": {"width": 1280, "height": 860}, "narrow": {"width": 360, "height": 780}}
SCHEMES = ("light", "dark")


@dataclass(frozen=True)
class Running:
    """A service, and where it is."""

    services: Services
    address: str

    def submit(self, labels: bytes, name: str, archive: bytes, **fields: str) -> str:
        """The id of a new audit."""
        files = {"labels": ("labels.csv", labels), "images": ("images.zip", archive)}
        answer = httpx.post(
            f"{self.address}/v1/audits", files=files, data={"name": name, **fields}, timeout=60, trust_env=False
        )
        return str(answer.json()["id"])

    def end(self, audit_id: str) -> None:
        """Wait until an audit has ended."""
        while self.services.audits.state(audit_id).status in {"queued", "running"}:
            time.sleep(0.1)


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Running]:
    """A service in this process."""
    with Services.running(Settings.model_validate({"data_dir": folder, "device": "cpu"} | settings)) as services:
        server = DrainingServer(services, host="127.0.0.1", port=0)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Running(services, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


@dataclass(frozen=True)
class Scene:
    """A page in a state that is worth a picture."""

    name: str
    address: str
    prepare: Callable[[Page], Any] = lambda _: None


def scenes(folder: Path, archive: bytes, services: ExitStack) -> list[Scene]:
    """All of them, over services that run until the stack is closed."""
    labels = (KIT / "labels.csv").read_bytes()
    archive_path = folder / "pictures.zip"
    archive_path.write_bytes(archive)
    open_to_all = services.enter_context(running(folder / "open"))
    finished = open_to_all.submit(labels, "Autumn collection", archive)
    wrong = b"image,label\n000.png,Cat\n001.png,Dog\n"
    failed = open_to_all.submit(wrong, "Cats and dogs", archive, evidence="reference")
    for each in (finished, failed):
        open_to_all.end(each)

    add_key(folder / "keys.json", new_key("ann", ["audit"])[1])
    with_keys = services.enter_context(running(folder / "keys", keys_file=folder / "keys.json", worker="off"))
    unused = services.enter_context(running(folder / "unused", worker="off"))
    at_work = services.enter_context(running(folder / "work", worker="off"))
    under_way = at_work.submit(labels, "Autumn collection", archive)
    ledger = at_work.services.audits.ledger
    claim = ledger.claim("a worker")
    assert claim is not None
    ledger.advance(claim, "infer", [1] * 600)
    for image in range(384):
        ledger.chunk_done(claim, "infer", image)

    def choose(page: Page) -> None:
        page.set_input_files("#labels", KIT / "labels.csv")
        page.wait_for_selector("#preview table")
        page.set_input_files("#images", archive_path)

    def pictures(page: Page) -> None:
        page.wait_for_selector("main img")
        page.wait_for_load_state("networkidle")

    def classify(page: Page) -> None:
        page.click("[data-image] >> nth=0")
        page.wait_for_selector(".distribution")

    return [
        Scene("home", f"{open_to_all.address}/"),
        Scene("home-empty", f"{unused.address}/"),
        Scene("home-preview", f"{open_to_all.address}/", choose),
        Scene("classify", f"{open_to_all.address}/classify", classify),
        Scene("classify-empty", f"{open_to_all.address}/classify"),
        Scene(
            "progress",
            f"{at_work.address}/audits/{under_way}",
            lambda page: page.wait_for_selector("[aria-current=step]"),
        ),
        Scene("failed", f"{open_to_all.address}/audits/{failed}"),
        Scene("report", f"{open_to_all.address}/audits/{finished}"),
        Scene("review-grid", f"{open_to_all.address}/audits/{finished}/review", pictures),
        Scene("review-one", f"{open_to_all.address}/audits/{finished}/review/one", pictures),
        Scene("sign-in", f"{with_keys.address}/sign-in"),
        Scene("not-found", f"{open_to_all.address}/nowhere"),
        Scene("api-docs", f"{open_to_all.address}/docs", lambda page: page.wait_for_selector(".opblock")),
    ]


def take(browser: Browser, scene: Scene, scheme: Any, size: str) -> None:
    """One picture, of what is seen without scrolling when it is wide, and of the whole page when it is narrow."""
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(scene.address)
    scene.prepare(page)
    page.wait_for_load_state("load")
    shot = Image.open(io.BytesIO(page.screenshot(full_page=size == "narrow" or scene.name == "home-preview")))
    shot.convert("RGB").crop((0, 0, shot.width, min(shot.height, 2400))).save(
        HERE / f"{scene.name}-{scheme}-{size}.webp", quality=82, method=6
    )
    context.close()


def main() -> None:
    """Take them all."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for image in sorted((KIT / "images").iterdir()):
            archive.write(image, image.name)
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("a browser is needed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as services, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        wanted = set(sys.argv[1:])
        for scene in scenes(Path(folder), packed.getvalue(), services):
            if wanted and scene.name not in wanted:
                continue
            for scheme in SCHEMES:
                for size in SIZES:
                    take(browser, scene, scheme, size)
        browser.close()


if __name__ == "__main__":
    main()
