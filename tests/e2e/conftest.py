"""The real server as a process of its own, and a client of it."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from subprocess import Popen
from typing import Any

import httpx
import pytest

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
