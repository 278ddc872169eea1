"""What a container of the service takes and gives, by its share of the cores: ``make bench-image`` (podman, as root).

The clients run on the same machine: with all cores the container has fewer than it was given.
"""

import argparse
import io
import json
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

KIT = Path(__file__).parents[1] / "examples" / "fashion-mnist"
SECONDS = 10
CLIENTS = 16
COPIES = 20
"""The kit's 600 images so often: what is audited."""


def podman(*arguments: object) -> str:
    done = subprocess.run(["podman", *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@contextmanager
def container(image: str, cpus: float) -> Iterator[tuple[str, httpx.Client]]:
    """A running service that is ready."""
    limits = ("--cpus", cpus, "--memory", "4g", "--read-only", "--cap-drop", "ALL")
    name = podman("run", "-d", "-p", "127.0.0.1::8000", *limits, "-e", "LOOKALIKE_ALLOW_ANONYMOUS=true", image)
    try:
        address = podman("port", name, "8000/tcp").splitlines()[0]
        with httpx.Client(base_url=f"http://{address}", timeout=120, trust_env=False) as client:
            while True:
                try:
                    client.get("/readyz").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.01)
            yield name, client
    finally:
        podman("rm", "-f", "-v", "-t", 0, name)


def memory(name: str) -> dict[str, int]:
    """MiB that the server and its worker were resident with at most."""
    look = (
        "import os; from pathlib import Path\n"
        "for each in Path('/proc').glob('[0-9]*'):\n"
        "    if each.name != str(os.getpid()) and b'python' in (line := (each / 'cmdline').read_bytes()):\n"
        "        most = next(l.split()[1] for l in (each / 'status').open() if l.startswith('VmHWM'))\n"
        "        print('worker' if b'service.jobs' in line else 'server', most)\n"
    )
    lines = podman("exec", name, "python", "-c", look).splitlines()
    return {who: int(most) // 1024 for who, most in map(str.split, lines)}


def requests_a_second(client: httpx.Client) -> float:
    """Of single images, by clients that each wait for their answers."""
    picture = (KIT / "images" / "037.png").read_bytes()
    ends = time.monotonic() + SECONDS
    counts: list[int] = []

    def ask() -> None:
        count = 0
        with httpx.Client(base_url=client.base_url, timeout=60, trust_env=False) as mine:
            while time.monotonic() < ends:
                mine.post("/v1/classify", content=picture, headers={"Content-Type": "image/png"}).raise_for_status()
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def rows_a_second(client: httpx.Client) -> float:
    """Of an audit, from its upload to its report."""
    labels = (KIT / "labels.csv").read_text().splitlines()
    header, rows = labels[0], labels[1:]
    column = header.split(",").index("image")
    lines, archive = [header], io.BytesIO()
    with zipfile.ZipFile(archive, "w") as images:
        for copy in range(COPIES):
            for row in rows:
                cells = row.split(",")
                cells[column] = f"{copy}/{cells[column]}"
                lines.append(",".join(cells))
            for image in sorted((KIT / "images").iterdir()):
                images.writestr(f"{copy}/{image.name}", image.read_bytes())
    files = {"labels": ("labels.csv", "\n".join(lines)), "images": ("images.zip", archive.getvalue())}
    started = time.monotonic()
    location = client.post("/v1/audits", files=files).raise_for_status().headers["Location"]
    while (state := client.get(location).json())["status"] in {"queued", "running"}:
        time.sleep(0.05)
    assert state["status"] == "succeeded", state
    return COPIES * len(rows) / (time.monotonic() - started)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("image")
    image = arguments.parse_args().image
    for cpus in (0.5, 1, 2):
        started = time.monotonic()
        with container(image, cpus) as (name, client):
            found = {"cpus": cpus, "ready, s": round(time.monotonic() - started, 1), "ready, MiB": memory(name)}
            found |= {"requests/s": round(requests_a_second(client))}
            found |= {"served, MiB": memory(name), "audited rows/s": round(rows_a_second(client))}
            print(json.dumps(found | {"audited, MiB": memory(name)}), flush=True)


if __name__ == "__main__":
    main()
