"""schemathesis against the live OpenAPI document, every phase and every check; a seed of its own each time."""

import io
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import httpx
from pictures import KIT
from process import PATIENCE, lookalike

from models.repository import SHIPPED

TESTS = Path(__file__).resolve().parents[2] / "tests" / "e2e"
EXAMPLES = 100
"""Made up for each operation in a phase, at most."""


def main() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as images:
        for path in sorted(KIT.iterdir()):
            images.write(path, path.name)
    files = {
        "labels": ("labels.csv", (KIT.parent / "labels.csv").read_bytes()),
        "images": ("i.zip", archive.getvalue()),
    }
    seed = str(random.SystemRandom().randrange(1 << 32))
    with tempfile.TemporaryDirectory() as folder, lookalike(SHIPPED) as server:
        url = f"http://127.0.0.1:{server.port}"
        audit = httpx.post(f"{url}/v1/audits", files=files, timeout=PATIENCE).raise_for_status().json()["id"]
        while httpx.get(f"{url}/v1/audits/{audit}").json()["status"] in {"queued", "running"}:
            time.sleep(0.05)
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", TESTS / "schemathesis.toml"]
        command += ["run", f"{url}/openapi.json", "--no-color", "--max-examples", str(EXAMPLES), "--seed", seed]
        environment = os.environ | {"AUDIT_ID": audit}
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        alive = server.process.poll() is None
    if run.returncode:
        print(run.stdout, run.stderr)
    (cases,) = (line.strip() for line in run.stdout.splitlines() if " generated, " in line)
    print(f"schemathesis, seed {seed}: {cases} (bound: 0 failures); the server {'lives' if alive else 'DIED'}")


if __name__ == "__main__":
    main()
