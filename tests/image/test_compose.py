"""The compose file, brought up by a real Docker engine with PostgreSQL and Prometheus."""

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from .docker import Docker, running
from .podman import ROOT, Podman

POSTGRES, PROMETHEUS = "localhost/lookalike-test/postgres", "localhost/lookalike-test/prometheus"
COMPOSE = ("docker", "compose", "--file", "docker/compose.yaml")
WITH_KEYS = ("--file", "docker/compose.keys.yaml")
UP = ("up", "--detach", "--wait", "--no-build", "--scale", "api=2")
PG_DUMP = ("pg_dump", "--username", "lookalike", "--format", "custom", "lookalike")
PG_RESTORE = ("pg_restore", "--exit-on-error", "--clean", "--if-exists", "--username=lookalike", "--dbname=lookalike")
MODELS_BACK = ("-C", "/models", "-x", "--no-same-owner")


@pytest.fixture(scope="module")
def stand_ins(podman: Podman, base: str) -> None:
    """The images that come from others."""
    for image in (POSTGRES, PROMETHEUS):
        given = ("--build-arg", f"BASE_IMAGE={base}", "-f", f"tests/image/{image.rpartition('/')[2]}.Dockerfile")
        podman("build", *podman.build_flags, *given, "-t", image, ".", seconds=600)


@pytest.fixture(scope="module")
def docker(eventually: Any, podman: Podman, stand_ins: None, image: str, tmp_path_factory: Any) -> Iterator[Docker]:
    """An engine that has the images."""
    with running(eventually) as docker:
        docker.take(podman, tmp_path_factory.mktemp("images"), image, POSTGRES, PROMETHEUS)
        yield docker


@pytest.fixture(scope="module")
def stack(docker: Docker, image: str) -> Iterator[Any]:
    """The stack with two servers: ``stack("ps")`` runs a command of Compose."""

    def compose(*arguments: object, into: Path | None = None, out_of: Path | None = None, **variables: str) -> str:
        with (out_of or Path(os.devnull)).open("rb") as given:
            done = docker(
                *COMPOSE,
                *arguments,
                stdin=given,
                COMPOSE_PROFILES="metrics",
                PORT="0",  # any free one
                PROMETHEUS_PORT="0",
                IMAGE=image,
                POSTGRES_IMAGE=POSTGRES,
                PROMETHEUS_IMAGE=PROMETHEUS,
                POSTGRES_PASSWORD="a password: with @/ signs",
                **variables,
            )
        if into:
            into.write_bytes(done)
        return "" if into else done.decode().strip()

    compose(*UP)
    yield compose
    compose("down", "--volumes", "--timeout", 5)


def client_of(stack: Any, number: int) -> httpx.Client:
    """A client of one of the servers."""
    address = stack("port", "--index", number, "api", 8000)
    return httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False)


@pytest.fixture
def servers(stack: Any) -> Iterator[list[httpx.Client]]:
    """A client of each of the two servers."""
    with client_of(stack, 1) as one, client_of(stack, 2) as other:
        yield [one, other]


def follow(client: httpx.Client, location: str, eventually: Any) -> dict[str, Any]:
    """The state of an audit once it has ended."""
    eventually(lambda: client.get(location).json()["status"] not in {"queued", "running"}, "the audit ends")
    state: dict[str, Any] = client.get(location).json()
    return state


def submit(client: httpx.Client, kit: Any) -> str:
    files = {"labels": ("labels.csv", kit.labels.read_bytes()), "images": ("images.zip", kit.archive)}
    answer = client.post("/v1/audits", files=files)
    assert answer.status_code == 202, answer.text
    location: str = answer.headers["Location"]
    return location


def test_all_profiles_are_valid(docker: Docker) -> None:
    """With all profiles and the file for keys it is a valid file."""
    services = docker(*COMPOSE, *WITH_KEYS, "--profile", "*", "config", "--services", POSTGRES_PASSWORD="x").split()
    assert set(services) == {b"api", b"api-gpu", b"worker", b"migrate", b"postgres", b"prometheus"}


def configuration(docker: Docker, *files: str, **variables: str) -> Any:
    """What Compose makes of the files, by service."""
    config = docker(
        *COMPOSE, *files, "--profile", "*", "config", "--format", "json", POSTGRES_PASSWORD="x", **variables
    )
    return json.loads(config)["services"]


@pytest.mark.parametrize("api", ["api", "api-gpu"])
def test_other_machines_are_let_in_with_keys_alone(docker: Docker, api: str) -> None:
    """ADDRESS publishes the service with the file for keys only: who forgets that file opens nothing."""
    (without,) = configuration(docker, ADDRESS="0.0.0.0")[api]["ports"]
    (with_keys,) = configuration(docker, *WITH_KEYS, ADDRESS="0.0.0.0")[api]["ports"]
    assert (without["host_ip"], with_keys["host_ip"]) == ("127.0.0.1", "0.0.0.0")
    (by_default,) = configuration(docker, *WITH_KEYS)[api]["ports"]
    assert by_default["host_ip"] == "127.0.0.1"


def test_whatever_is_missing_can_be_built(docker: Docker) -> None:
    """Each service that runs our image says how it is built, and the one for GPUs how that is."""
    services = configuration(docker)
    ours = {name: each for name, each in services.items() if each["image"].startswith("lookalike:")}
    assert set(ours) == {"api", "api-gpu", "worker", "migrate"}
    assert {name: each["build"].get("args") for name, each in ours.items()} == {
        **dict.fromkeys(("api", "worker", "migrate")),
        "api-gpu": {"EXTRA": "gpu"},
    }


def test_it_waits_for_what_it_needs(stack: Any) -> None:
    """The database is healthy before tables are made, and these are made before servers and workers start."""
    rows = [
        line.split("\t")
        for line in stack("ps", "--all", "--format", "{{.Service}}\t{{.State}}\t{{.Health}}").splitlines()
    ]
    assert sorted(rows) == [
        ["api", "running", "healthy"],
        ["api", "running", "healthy"],
        ["migrate", "exited", ""],
        ["postgres", "running", "healthy"],
        ["prometheus", "running", ""],
        ["worker", "running", "healthy"],
    ]


def test_an_audit_is_seen_from_all_servers(servers: list[httpx.Client], kit: Any, eventually: Any) -> None:
    """An audit submitted to one server is followed and read at the other; the worker carries it out."""
    one, other = servers
    location = submit(one, kit)
    assert follow(other, location, eventually)["status"] == "succeeded"
    assert other.get(f"{location}/report").json()["rows"] == 600
    assert other.get(f"{location}/rows/0/image").status_code == 200
    other.patch(f"{location}/rows/0", json={"decision": "unsure"}, headers={"If-Match": '"0"'}).raise_for_status()
    assert (
        one.get(f"{location}/rows", params={"limit": 1}).json()
        == other.get(f"{location}/rows", params={"limit": 1}).json()
    )


def test_a_backup_brings_audits_back(
    stack: Any, servers: list[httpx.Client], kit: Any, eventually: Any, tmp_path: Path
) -> None:
    """What docs/deploy.md says to keep is all of an audit: with all volumes lost, it is restored and read as before."""
    location = submit(servers[0], kit)
    assert follow(servers[0], location, eventually)["status"] == "succeeded"
    report = servers[0].get(f"{location}/report").json()
    database, data, models = tmp_path / "database.dump", tmp_path / "data.tar", tmp_path / "models.tar"
    stack("exec", "-T", "postgres", *PG_DUMP, into=database)
    stack("exec", "-T", "worker", "tar", "-C", "/data", "-c", ".", into=data)
    stack("exec", "-T", "--user", "0", "api", "cp", "-r", "/models/fashion-mnist", "/models/another")
    stack("exec", "-T", "worker", "tar", "-C", "/models", "-c", ".", into=models)
    stack("down", "--volumes")
    stack("up", "--detach", "--wait", "postgres")
    stack("exec", "-T", "postgres", *PG_RESTORE, out_of=database)
    stack("run", "--rm", "--no-deps", "-T", "--entrypoint", "tar", "worker", "-C", "/data", "-x", out_of=data)
    stack("run", "--rm", "--no-deps", "-T", "--user", "0", "--entrypoint", "tar", "worker", *MODELS_BACK, out_of=models)
    assert "another" in stack("run", "--rm", "--no-deps", "-T", "--entrypoint", "ls", "worker", "/models")
    stack("run", "--rm", "--no-deps", "-T", "--user", "0", "--entrypoint", "rm", "worker", "-r", "/models/another")
    stack(*UP)
    with client_of(stack, 1) as client:
        assert client.get(location).json()["status"] == "succeeded"
        assert client.get(f"{location}/report").json() == report
        assert client.get(f"{location}/rows/0/image").status_code == 200


def are_scraped(stack: Any, servers: int) -> bool:
    """Whether Prometheus has found so many servers, and got their metrics."""
    with httpx.Client(base_url=f"http://{stack('port', 'prometheus', 9090)}", timeout=30, trust_env=False) as client:
        answer = client.get("/api/v1/targets", params={"state": "active"})
    targets = answer.json()["data"]["activeTargets"] if answer.is_success else []  # 503: it is starting
    return [target["health"] for target in targets] == ["up"] * servers


def test_prometheus_finds_all_servers(stack: Any, eventually: Any) -> None:
    """The profile `metrics` scrapes each of the two servers."""
    eventually(lambda: are_scraped(stack, 2), "both servers are scraped")


def test_prometheus_can_read_what_it_is_given(podman: Podman, stand_ins: None, tmp_path: Path) -> None:
    """Its files are valid, that for a service with keys too."""
    (tmp_path / "metrics.key").write_text("lk_key")
    for file in ("prometheus.yaml", "prometheus.keys.yaml"):
        mounts = (
            "-v",
            f"{ROOT}/docker/{file}:/etc/prometheus/{file}:ro",
            "-v",
            f"{tmp_path}/metrics.key:/etc/prometheus/metrics.key:ro",
        )
        check = ("--entrypoint", "promtool", PROMETHEUS, "check", "config", f"/etc/prometheus/{file}")
        assert "SUCCESS" in podman("run", "--rm", "--pull=never", "--network", "none", *mounts, *check)


def test_only_this_machine_is_let_in(stack: Any) -> None:
    """Without keys the service is published on loopback alone, and the database not at all."""
    assert stack("port", "api", 8000).startswith("127.0.0.1:")


def test_with_keys_nobody_gets_in_without(stack: Any, eventually: Any, tmp_path: Path) -> None:
    """What docker/compose.keys.yaml says makes a key; without it there is no answer, and Prometheus is given it."""
    new = ("keys", "new", "--file", "/data/keys.json", "--name", "metrics", "--scope", "admin", "--json")
    file = tmp_path / "metrics.key"
    with_keys = partial(stack, *WITH_KEYS, METRICS_KEY=str(file))
    file.touch()  # Compose looks for it
    file.write_text(key := json.loads(with_keys("run", "--rm", "-T", "--no-deps", "api", *new))["key"])
    with_keys(*UP)
    with client_of(stack, 1) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    eventually(lambda: are_scraped(stack, 2), "both servers are scraped")
