"""The cores that a process may use: a container's quota counts, however it is written down."""

import os
from pathlib import Path

import pytest

from service.cores import allowed_cores
from service.settings import Settings

CORES = 8


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CORES)))


def machine(root: Path, cgroup: str, mounts: str, files: dict[str, str]) -> Path:
    """A root folder with what the kernel would show there."""
    for path, content in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content + "\n")
    return root


V2 = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct"
MEMORY_V1 = "33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"


def v1(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    place = f"sys/fs/cgroup/cpu,cpuacct/{folder}"
    return {f"{place}/cpu.cfs_quota_us": str(quota), f"{place}/cpu.cfs_period_us": str(period)}


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "cores"),
    [
        ("0::/", V2.format(root="/"), {"sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
        ("0::/", V2.format(root="/"), {"sys/fs/cgroup/cpu.max": "150000 100000"}, 2),
        ("0::/", V2.format(root="/"), {"sys/fs/cgroup/cpu.max": "10000 100000"}, 1),
        ("0::/", V2.format(root="/"), {"sys/fs/cgroup/cpu.max": "1600000 100000"}, CORES),
        ("0::/", V2.format(root="/"), {"sys/fs/cgroup/cpu.max": "max 100000"}, CORES),
        ("0::/", V2.format(root="/"), {"sys/fs/cgroup/cpu.max": "0 0"}, CORES),
        ("0::/", V2.format(root="/"), {}, CORES),
        ("0::/a/b", V2.format(root="/"), {"sys/fs/cgroup/a/b/cpu.max": "300000 100000"}, 3),
        (
            "0::/a/b",
            V2.format(root="/"),
            {"sys/fs/cgroup/a/cpu.max": "200000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"},
            2,
        ),
        ("0::/docker/1", V2.format(root="/docker/1"), {"sys/fs/cgroup/cpu.max": "300000 100000"}, 3),
        ("0::/../other", V2.format(root="/"), {"sys/fs/other/cpu.max": "100000 100000"}, CORES),
        ("3:cpu,cpuacct:/", V1.format(root="/"), v1("", 250_000), 3),
        ("3:cpu,cpuacct:/", V1.format(root="/"), v1("", -1), CORES),
        ("3:cpuacct,cpu:/docker/1", V1.format(root="/docker/1"), v1("", 50_000, 50_000), 1),
        ("3:cpu,cpuacct:/a/b", V1.format(root="/"), v1("a/b", -1) | v1("a", 400_000), 4),
        ("4:memory:/\n0::/", f"{MEMORY_V1}\n{V2.format(root='/')}", {"sys/fs/cgroup/memory/cpu.max": "1 1"}, CORES),
        (
            "3:cpu,cpuacct:/a\n0::/",
            f"{V1.format(root='/')}\n{V2.format(root='/').replace('/sys/fs/cgroup', '/sys/fs/cgroup/unified')}",
            v1("a", 200_000),
            2,
        ),
    ],
)
def test_a_quota_limits_the_cores(tmp_path: Path, cgroup: str, mounts: str, files: dict[str, str], cores: int) -> None:
    """Either version's quota counts, of the process's cgroup or one around it; a part of a core counts as one."""
    assert allowed_cores(machine(tmp_path, cgroup, mounts, files)) == cores


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    """Where nothing is known of cgroups, the cores of the process's affinity are taken."""
    assert allowed_cores(tmp_path) == CORES


def test_this_machine_has_a_core() -> None:
    """The real files of the machine that runs the tests can be read."""
    assert 1 <= allowed_cores() <= CORES


def test_threads_can_be_set() -> None:
    """LOOKALIKE_INFERENCE_THREADS goes before what the machine allows; without it, it's one thread a core."""
    assert Settings(inference_threads=3).cpu_threads == 3
    assert Settings().cpu_threads == allowed_cores()
