"""The real server as a process of its own with a client of it, and a real browser."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from subprocess import Popen
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

WAIT = 60


@contextmanager
def _serving(process: Popen[str]) -> Iterator[tuple[httpx.Client, list[str]]]:
    """A client of a server that has said where it listens, and the lines it prints; the process ends with the block."""
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    listening = threading.Event()

    def listen(stream: Any) -> None:
        for line in stream:
            said.append(line)
            if "running on" in line:
                listening.set()
        listening.set()  # it has ended: nobody need wait any longer

    readers = [threading.Thread(target=listen, args=(stream,)) for stream in (process.stdout, process.stderr)]
    for reader in readers:
        reader.start()
    try:
        assert listening.wait(WAIT)
        address = re.search(r"http://(?:127\.0\.0\.1|0\.0\.0\.0)(:\d+)", "".join(said))
        assert address, said
        with httpx.Client(base_url=f"http://127.0.0.1{address[1]}", timeout=WAIT, trust_env=False) as client:
            yield client, said
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT)
        for reader in readers:
            reader.join(WAIT)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture(scope="session")
def serving() -> Callable[[Popen[str]], AbstractContextManager[tuple[httpx.Client, list[str]]]]:
    """Start talking to a server: a context of its client and of the lines that it prints."""
    return _serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, one for the tests of a module: while it is there, its thread can run no other event loop."""
    path = shutil.which("chromium")
    assert path is not None, "the tests of the pages need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Go to an address in a browser window of one's own; fails at the end if anything failed or was blocked there."""
    complaints: list[str] = []

    def went_wrong(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    with ExitStack() as windows:

        def go(service: Any, path: str = "/", **window: Any) -> Page:
            context = browser.new_context(base_url=str(service.http.base_url), **window)
            windows.callback(context.close)
            page = context.new_page()
            page.on("console", went_wrong)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(path)
            return page

        yield go
    assert complaints == []


@pytest.fixture(scope="session")
def barriers() -> Callable[[Page], list[str]]:
    """Tell what keeps people from using a page as it stands, by axe: a line for each rule that it breaks."""

    def found(page: Page) -> list[str]:
        broken = Axe().run(page).response["violations"]
        return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}" for each in broken]

    return found
