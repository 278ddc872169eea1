"""The Helm chart: what it renders is valid, and runs."""

import json
import re
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from .podman import ROOT, Podman

CHART = ROOT / "docker" / "helm" / "lookalike"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
TOOLS = ROOT / ".venv-image" / "bin"
REFUSED = {
    "keys.secretName=": "set keys.secretName",
    "keys.secretName=k,keys.allowAnonymous=true": "contradict",
    "keys.allowAnonymous=true,api.replicas=2": "needs PostgreSQL",
    "keys.allowAnonymous=true,api.autoscaling.enabled=true": "needs PostgreSQL",
    "keys.allowAnonymous=true,database.secretName=d": "ReadWriteMany",
    "keys.allowAnonymous=true,api.autoscaling.minReplicas=9": "minReplicas is above maxReplicas",
    "keys.allowAnonymous=true,api.gpus=1": "limits.memory is what a server without a GPU takes",
    "keys.allowAnonymous=true,service.port=80000": "maximum: got 80,000, want 65,535",
    "keys.allowAnonymous=true,api.replicas=0": "minimum: got 0, want 1",
    "keys.allowAnonymous=true,api.replica=1": "additional properties 'replica' not allowed",
    "keys.allowAnonymous=true,settings.WORKER=off": "WORKER",
    "keys.allowAnonymous=true,settings.INFERENCE_THREADS=16": "INFERENCE_THREADS",
    "keys.allowAnonymous=true,api.resources.requests.cpu=null": "missing property 'cpu'",
}


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of the tools that `make image-test` installs."""
    return subprocess.run(
        [TOOLS / name, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )


def rendered(*arguments: object) -> str:
    done = tool("helm", "template", "shop", CHART, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> dict[str, dict[str, Any]]:
    """By kind and name."""
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in yaml.safe_load_all(text) if each}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_what_it_renders_is_valid(example: Path, tmp_path: Path) -> None:
    """For each example of values every object is one that Kubernetes knows, without a field that it does not."""
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(rendered("--values", example))
    done = tool("kubernetes-validate", "--strict", manifest)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("passed") + done.stdout.count("passed") == len(documents(manifest.read_text()))


def test_nothing_is_found_by_the_linters(tmp_path: Path) -> None:
    """Helm lint and checkov have nothing to say but what docker/checkov.yaml argues for."""
    lint = tool("helm", "lint", "--strict", CHART, "--values", EXAMPLES[0])
    assert lint.returncode == 0, lint.stdout + lint.stderr
    for example in EXAMPLES:
        (tmp_path / example.name).write_text(rendered("--values", example))
    done = tool("checkov", "--config-file", "docker/checkov.yaml", "--framework", "kubernetes", "--directory", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Passed checks: \d{3}, Failed checks: 0", done.stdout), done.stdout  # it looked at something


@pytest.mark.parametrize(("values", "why"), REFUSED.items())
def test_values_that_can_not_work_are_refused(values: str, why: str) -> None:
    """What would fail only in the cluster is refused before, with the cure."""
    done = tool("helm", "template", "shop", CHART, "--set", values)
    assert done.returncode == 1
    assert why in done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_pods_end_later_than_servers_drain(example: Path) -> None:
    """No server is killed before it has drained, and answered what is under way."""
    pod = documents(rendered("--values", example))["Deployment/shop-api"]["spec"]["template"]["spec"]
    settings = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    needed = sum(int(settings[f"LOOKALIKE_{name}_SECONDS"]) for name in ("DRAIN", "SHUTDOWN"))
    assert pod["terminationGracePeriodSeconds"] > needed


def test_a_setting_named_like_a_service_stops_no_start() -> None:
    """Kubernetes would set LOOKALIKE_PORT for a Service called lookalike, which is no setting: it is told not to."""
    for name, each in documents(rendered("--values", CHART / "examples" / "many-servers.yaml")).items():
        if name.startswith(("Deployment/", "Job/")):
            assert each["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_settings_reach_the_pods_as_they_were_written() -> None:
    """A large whole number is not rounded or given an exponent, which the service would refuse; text stays text."""
    objects = documents(
        rendered("--values", CHART / "examples" / "many-servers.yaml", "--set", "settings.OPENAPI=true")
    )
    for name in ("Deployment/shop-api", "Deployment/shop-worker", "Job/shop-migrate"):
        (container,) = objects[name]["spec"]["template"]["spec"]["containers"]
        settings = {each["name"].removeprefix("LOOKALIKE_"): each.get("value") for each in container["env"]}
        expected = {"MAX_UPLOAD_BYTES": "2000000000", "MAX_IMAGES": "128", "ACCESS_LOG": "all", "OPENAPI": "true"}
        assert expected.items() <= settings.items()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_network_policies_let_its_own_pods_work(example: Path) -> None:
    """Servers, workers and migration reach only what they need; `helm test` reaches the servers, whoever else may."""
    objects = documents(rendered("--values", example))
    own, api = objects["NetworkPolicy/shop"]["spec"], objects["NetworkPolicy/shop-api"]["spec"]
    (expression,) = own["podSelector"]["matchExpressions"]
    component = "app.kubernetes.io/component"
    assert (expression["key"], expression["operator"]) == (component, "In")
    pods = [each["spec"]["template"] for each in objects.values() if each["kind"] in {"Deployment", "Job"}]
    assert {pod["metadata"]["labels"][component] for pod in pods} <= set(expression["values"])
    assert all(own["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items() for pod in pods)
    test = objects["Pod/shop-test"]["metadata"]["labels"]
    assert test[component] not in expression["values"]
    selectors = [each["podSelector"]["matchLabels"] for each in api["ingress"][0]["from"] if each.get("podSelector")]
    assert [True for selector in selectors if selector.items() <= test.items()]


def test_all_parts_are_of_one_version() -> None:
    """Chart and Compose file name the images of the version that pyproject.toml does."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version
    compose = (ROOT / "docker" / "compose.yaml").read_text()
    assert set(re.findall(r"lookalike:([0-9.]+)-", compose)) == {version}


def test_the_deployment_runs(podman: Podman, image: str, kit: Any, eventually: Any, tmp_path: Path) -> None:
    """The deployment as rendered, with its claim, runs under `podman kube play`, and what `helm test` runs passes."""
    repository, _, tag = image.rpartition(":")
    given = f"image.repository={repository},image.tag={tag.removesuffix('-cpu')},image.pullPolicy=Never"
    objects = documents(rendered("--values", CHART / "examples" / "one-server.yaml", "--set-string", given))
    deployment = objects["Deployment/shop-api"]
    port = free_port()
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0] |= {"hostPort": port, "hostIP": "127.0.0.1"}
    with playing(podman, [objects["PersistentVolumeClaim/shop"], deployment], tmp_path / "manifest.yaml"):
        state = podman.inspect("shop-api-pod-0-api")
        assert state["HostConfig"]["ReadonlyRootfs"] is True
        assert state["HostConfig"]["Memory"] == 1536 * 2**20
        assert "LOOKALIKE_INFERENCE_THREADS=1" in state["Config"]["Env"]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            eventually(lambda: is_ready(client), "the service is ready")
            files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
            location = client.post("/v1/audits", files=files).raise_for_status().headers["Location"]
            eventually(lambda: client.get(location).json()["status"] == "succeeded", "the audit succeeds")
        (test,) = objects["Pod/shop-test"]["spec"]["containers"]
        done = podman(
            *("run", "--rm", "--pull=never", "--network", "host", "--read-only", "--cap-drop", "ALL"),
            *("-e", f"URL=http://127.0.0.1:{port}", "--entrypoint", json.dumps(test["command"]), image, *test["args"]),
        )
        assert "fashion-mnist ['1'] 200" in done


@contextmanager
def playing(podman: Podman, objects: list[dict[str, Any]], manifest: Path) -> Iterator[None]:
    """Objects under `podman kube play` for the length of the block; also after an earlier run that left its own."""
    manifest.write_text(yaml.safe_dump_all(objects))

    def remove() -> None:
        podman.try_to("kube", "down", manifest)
        podman("volume", "rm", "--force", "shop")

    remove()
    try:
        podman("kube", "play", manifest)
        yield
    finally:
        remove()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
