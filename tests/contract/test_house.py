"""The house rules: whose names these are, what imports what, and that the documentation lists what there is."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lookalike.cli import main
from service import errors
from service.access.scopes import is_listed
from service.app import create_app
from service.services import Services
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("audit", "labels", "lookalike", "models", "service", "training")


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter: this one may have imported anything."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("name", PACKAGES)
def test_an_import_name_is_this_checkouts_and_nobody_elses(name: str) -> None:
    """Each import name resolves to the folder in this repository, and no other installed distribution has it."""
    assert Path(str(import_module(name).__file__)).parent == ROOT / name
    assert set(packages_distributions().get(name, ["lookalike"])) == {"lookalike"}


def test_the_command_is_declared_once() -> None:
    """The project installs one command, ``lookalike``, and its code is the function that turns errors into lines."""
    (command,) = entry_points(group="console_scripts", name="lookalike")
    declared = (ROOT / "pyproject.toml").read_text()
    assert 'lookalike = "lookalike.cli:main"' in declared
    assert command.module == main.__module__


def test_serving_never_imports_torch(tmp_path: Path) -> None:
    """An application that started and stopped with the shipped model has not imported torch."""
    code = f"""
import asyncio, sys
from pathlib import Path
from service.app import create_app
from service.services import Services
from service.settings import Settings

async def run(services):
    app = create_app(services)
    async with app.router.lifespan_context(app) as state:
        assert state["services"].models.get().classifier.manifest.name
with Services.running(Settings(data_dir=Path({str(tmp_path)!r}), device="cpu", inference_threads=1)) as services:
    asyncio.run(run(services))
print("torch" in sys.modules)
"""
    result = python(code, tmp_path)
    assert (result.returncode, result.stdout.strip()) == (0, "False"), result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["classify", "--help"], ["train", "--help"], ["models", "list"]])
def test_commands_that_do_not_train_never_import_torch(arguments: list[str], tmp_path: Path) -> None:
    """Help, also that of ``train``, and the commands about models work without importing torch."""
    code = f"""
import sys
from lookalike.cli import main
from service import errors
from service.access.scopes import is_listed
sys.argv = ["lookalike", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
assert "torch" not in sys.modules
"""
    result = python(code, tmp_path)
    assert result.returncode == 0, result.stderr


def test_imports_run_one_way() -> None:
    """The import contracts of ``pyproject.toml`` hold."""
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    result = python(code, ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_setting_is_documented() -> None:
    """An operator finds each ``LOOKALIKE_`` variable in docs/settings.md, and no variable there that is none."""
    page = (ROOT / "docs" / "settings.md").read_text()
    known = {f"LOOKALIKE_{name.upper()}" for name in Settings.model_fields}
    documented = {part for part in page.split("`") if part.startswith("LOOKALIKE_") and part != "LOOKALIKE_"}
    assert known - documented == set()
    assert documented - known == set()


def test_every_error_is_documented() -> None:
    """A client's author finds each error's code and status in the tables of docs/api.md."""
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ([\d, ]+) \|", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    documented = {
        (int(status), code)
        for codes, statuses in rows
        for code in re.findall("[a-z_]+", codes)
        for status in statuses.split(", ")
    }
    assert {*errors._TABLE.values(), (500, "internal")} - documented == set()


def test_every_metric_is_documented(service: Any, kit: Any) -> None:
    """An operator finds each metric in docs/observability.md, with its kind and labels, and none that is not there."""
    service.http.get("/nope")
    service.classify(kit.image(0).read_bytes())
    page = (ROOT / "docs" / "observability.md").read_text()
    documented = {}
    for line in page.splitlines():
        if line.startswith(("| `lookalike_", "| `process_")):
            names, kind, _ = line.strip("|").split("|", 2)
            kind, _, labels = kind.strip().partition(": ")
            for name in re.findall("`([a-z_]+)`", names):
                documented[name] = (kind, set(re.findall("`([a-z_]+)`", labels)))
    told = {}
    for family in text_string_to_metric_families(service.http.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels if label != "le"}
        told[name] = (family.type, labels)
    assert documented.keys() == told.keys()
    assert {name: kind for name, (kind, _) in documented.items()} == {name: kind for name, (kind, _) in told.items()}
    assert all(labels == documented[name][1] for name, (_, labels) in told.items() if labels)


def routes(settings: Settings) -> tuple[set[str], set[str]]:
    """The routes that the description of the interface has, and all that there are."""
    with Services.running(settings) as services:
        app = create_app(services)
        paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    described = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    return described, {f"{method} {path}" for path, methods in app.state.methods.items() for method in methods}


def quoted(page: str) -> set[str]:
    return {part.partition("?")[0] for part in (ROOT / "docs" / page).read_text().split("`")}


def test_every_route_is_documented(tmp_path: Path) -> None:
    """A user finds each route of the interface, with its method, in docs/api.md, and each page in docs/pages.md."""
    described, every = routes(Settings(data_dir=tmp_path))
    pages = every - described
    assert min(len(described), len(pages)) >= 4
    assert described - quoted("api.md") == set()
    assert pages - quoted("pages.md") == set()


def test_every_route_is_in_the_table_of_scopes(tmp_path: Path) -> None:
    """Which scope a route needs was decided for it, and not left to the rule for paths that nobody knows."""
    _, every = routes(Settings(data_dir=tmp_path))
    assert [route for route in every if not is_listed(*route.split(" "))] == []


def test_no_route_of_the_interface_is_hidden_from_its_description(tmp_path: Path) -> None:
    """Whatever is below /v1 and /v2, and what operators ask for, is in the description of the interface, too."""
    described, every = routes(Settings(data_dir=tmp_path))
    assert {route for route in every if route.split(" ")[1].startswith(("/v1", "/v2", "/metrics"))} <= described


def test_no_file_names_a_package_registry() -> None:
    """No file that is kept here names a registry's host: where packages come from is the reader's to configure."""
    hosts = [
        ".".join(parts).encode()
        for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("crates", "io"),
                      ("proxy", "golang", "org"), ("anaconda", "org"), ("rubygems", "org"))
    ]  # fmt: skip
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert len(files) > 100
    naming = [path.name for path in files if path.is_file() and any(host in path.read_bytes() for host in hosts)]
    assert naming == []


def test_no_shipped_model_tells_where_it_was_made() -> None:
    """Shipped graphs hold no path of the machine that exported them: no stack traces, no source files."""
    for graph in (ROOT / "models" / "store").glob("*/*/model.onnx"):
        content = graph.read_bytes()
        assert b'.py"' not in content
        assert b"site-packages" not in content


def test_tests_that_need_a_gpu_wait_for_one(pytestconfig: pytest.Config) -> None:
    """Whoever runs the tests without a GPU isn't bothered by those that need one: all of them bear the mark."""
    assert pytestconfig.getini("addopts")[-2:] == ["-m", "not (gpu or image or image_gpu)"]
    files = list((ROOT / "tests" / "gpu").glob("test_*.py"))
    assert files
    assert all("pytestmark = pytest.mark.gpu" in file.read_text() for file in files)
