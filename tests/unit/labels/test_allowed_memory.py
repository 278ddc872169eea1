"""The memory that a process may use: a container's limit counts, whichever version of cgroups says it."""

import os
import resource
from pathlib import Path

import pytest

from labels.formats import unpack_parquet
from labels.formats.allowed_memory import allowed_memory

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"


def machine(root: Path, cgroup: str, mounts: str, files: dict[str, str]) -> Path:
    for path, content in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content + "\n")
    return root


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "expected"),
    [
        ("0::/", V2, {"sys/fs/cgroup/memory.max": "300000000"}, 300_000_000),
        ("0::/", V2, {"sys/fs/cgroup/memory.max": "max"}, MACHINE),
        ("0::/a/b", V2, {"sys/fs/cgroup/a/memory.max": "4096", "sys/fs/cgroup/a/b/memory.max": "max"}, 4096),
        ("4:memory:/a", V1, {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "8192"}, 8192),
        ("4:memory:/a", V1, {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712"}, MACHINE),
        ("3:cpu,cpuacct:/", V1, {}, MACHINE),
    ],
)
def test_a_container_limits_the_memory(
    tmp_path: Path, cgroup: str, mounts: str, files: dict[str, str], expected: int
) -> None:
    """The lowest limit around the process counts, where there is one, and never more than the machine has."""
    assert allowed_memory(machine(tmp_path, cgroup, mounts, files)) == expected


def test_without_cgroups_the_machine_counts(tmp_path: Path) -> None:
    """Where nothing is known of cgroups, the memory is the machine's."""
    assert allowed_memory(tmp_path) == MACHINE


def test_reading_parquet_takes_half_of_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that unpacks Parquet bounds itself by the container, not by the machine around it."""
    set_limits = {}
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: set_limits.update({kind: limits[0]}))
    monkeypatch.setattr(unpack_parquet, "allowed_memory", lambda: 2**20)
    unpack_parquet.limit_itself()
    assert set_limits[resource.RLIMIT_DATA] == 2**19
