"""How many cores this process may use: those of its affinity, and no more than the CPU quota of its cgroups.

A container with half a machine's time still sees all of its cores. Threads beyond the quota only make each other wait:
the kernel stops all of them together once the quota of a period is spent.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path


def allowed_cores(root: Path = Path("/")) -> int:
    """At least 1; a quota of 1.5 cores counts as 2. ``root`` is where ``/proc`` and ``/sys`` are looked for."""
    quotas = (_quota(folder) for folder in _cgroups(root))
    return max(1, min([len(os.sched_getaffinity(0)), *(math.ceil(quota) for quota in quotas if quota is not None)]))


def _cgroups(root: Path) -> Iterator[Path]:
    """Folders of the cgroups (both versions) that limit this process's CPU time: its own and those it lies in."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return
    for mount in mounts:
        place, _, kind = mount.partition(" - ")
        mounted, mount_point = place.split()[3:5]
        file_system, *_, options = kind.split()
        for membership in memberships:
            _, controllers, path = membership.split(":", 2)
            if (file_system, controllers) == ("cgroup2", "") or (
                file_system == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(",")
            ):
                top = root / mount_point.lstrip("/")
                yield from _upwards(top, Path(path), Path(mounted))


def _upwards(top: Path, cgroup: Path, mounted: Path) -> Iterator[Path]:
    """From a cgroup's folder up to the mount point; a container may see no more of it than the mount point."""
    yield top
    if cgroup.is_relative_to(mounted) and ".." not in cgroup.parts:
        inner = cgroup.relative_to(mounted)
        yield from (top / part for part in (inner, *inner.parents) if part != Path())


def _quota(cgroup: Path) -> float | None:
    """Cores' worth of time that a cgroup may use; None where it has no limit."""
    try:
        if (version_2 := cgroup / "cpu.max").exists():
            quota, period = version_2.read_text().split()
        else:
            quota, period = ((cgroup / f"cpu.cfs_{each}_us").read_text() for each in ("quota", "period"))
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such files, or "max"
        return None
    return cores if cores > 0 else None  # version 1 says -1 for no limit
