"""What is in the image, and what is not."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from .podman import ROOT, Podman

MOST_BYTES = 450_000_000
"""Above the base image."""


def test_the_files_are_clean() -> None:
    """Hadolint and checkov find nothing in the Dockerfiles but what docker/checkov.yaml argues for."""
    tools = ROOT / ".venv-image" / "bin"
    files = sorted(map(str, (ROOT / "docker").glob("*Dockerfile")))
    done = subprocess.run([tools / "hadolint", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    checkov = [tools / "checkov", "--config-file", "docker/checkov.yaml", "--framework", "dockerfile", "--file", *files]
    done = subprocess.run(checkov, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Passed checks: \d+, Failed checks: 0", done.stdout), done.stdout


def test_it_is_small(podman: Podman, base: str, image: str) -> None:
    """Above the base image it is no larger than 450 MB."""
    assert podman.inspect(image)["Size"] - podman.inspect(base)["Size"] <= MOST_BYTES


def test_it_says_what_it_is(podman: Podman, image: str) -> None:
    """Its labels name version, commit and the model with its checksum; it runs as nobody and has a health check."""
    config = podman.inspect(image)["Config"]
    manifest = ROOT / "models" / "store" / "fashion-mnist" / "1" / "manifest.json"
    assert config["Labels"]["lookalike.model.sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert config["Labels"]["org.opencontainers.image.revision"] == head.strip()
    assert config["Labels"]["org.opencontainers.image.version"] in podman("run", "--rm", image, "--version")
    assert config["User"] == "10001:10001"
    assert podman.inspect(image)["Healthcheck"]["Test"][0] == "CMD"  # no shell
    assert "ORT_DISABLE_TELEMETRY=1" in config["Env"]


def test_it_holds_no_more_than_it_runs(podman: Podman, image: str) -> None:
    """Neither tests nor build tools nor caches nor anything of this machine are in it."""
    look = (
        "from importlib.metadata import distributions; from pathlib import Path; import json;"
        "print(json.dumps([sorted(d.name.lower() for d in distributions()),"
        "sorted(str(p) for at in ('/app', '/opt', '/models', '/data', '/build') for p in Path(at).rglob('*'))]))"
    )
    packages, files = json.loads(podman("run", "--rm", "--entrypoint", "python", image, "-c", look))
    assert not {"pip", "setuptools", "hatchling", "pytest", "torch"} & set(packages)
    assert {"lookalike", "onnxruntime", "psycopg"} <= set(packages)
    assert not [file for file in files if file.startswith(("/build", "/data/")) or "/tests/" in file or "/.git" in file]
    history = podman("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert not [word for word in ("password", "token", "secret", "://") if word in history.lower()]


def test_a_change_of_code_rebuilds_little(podman: Podman, base: str, image: str, tmp_path: Path) -> None:
    """It makes one layer anew, that of the code, in which every file that did not change is the same to the byte."""
    changed = f"{image}-changed"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in tracked.splitlines():
        if name.split("/")[0] not in {"tests", "bench", "examples"}:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / "service" / "cores.py").open("a") as file:
        file.write("CHANGED = True\n")
    podman.make("image", f"IMAGE={changed}", flags=("--build-arg", f"BASE_IMAGE={base}"), folder=tmp_path)
    before, after = (podman.inspect(each)["RootFS"]["Layers"] for each in (image, changed))
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]
    old, new = code(podman, image), code(podman, changed)
    differing = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert {path for path in differing if "cores" not in path and not path.endswith("dist-info/RECORD")} == set()
    assert differing


def code(podman: Podman, image: str) -> dict[str, Any]:
    """What a build decides of each file of the last layer: its mode, its owner and its bytes."""
    look = (
        "from hashlib import sha256; from pathlib import Path; import json;"
        "print(json.dumps({str(p): [p.lstat().st_mode, p.lstat().st_uid, sha256(p.read_bytes()).hexdigest()]"
        " for p in Path('/app').rglob('*') if p.is_file()}))"
    )
    found: dict[str, Any] = json.loads(podman("run", "--rm", "--entrypoint", "python", image, "-c", look))
    return found


def test_what_it_is_made_of_is_listed(podman: Podman, image: str, tmp_path: Path) -> None:
    """`make sbom` lists all of its Python packages, with their licences, and all of Debian's."""
    podman.make("sbom", f"IMAGE={image}", f"SBOM={tmp_path}", "--assume-old=.venv-image/tools")
    listed = [line.split("\t") for line in (tmp_path / "licences.tsv").read_text().splitlines()]
    components = json.loads((tmp_path / "sbom.cdx.json").read_text())["components"]
    found = {
        each["purl"].partition(":")[2].partition("/")[0] + " " + each["name"] for each in components if "purl" in each
    }
    ours = {f"{'pypi' if kind == 'python' else 'deb'} {name}" for name, _, kind, _ in listed}
    assert {"pypi onnxruntime", "pypi lookalike", "deb libc6"} <= ours
    assert {name.lower().replace("_", "-") for name in ours} <= {name.lower().replace("_", "-") for name in found}
