"""How many cores this process may use: those of its affinity, and no more than the CPU quota of its cgroups.

A container with half a machine's time still sees all of its cores. Threads beyond the quota only make each other wait:
the kernel stops all of them together once the quota of a period is spent.
"""

import math
import os
from pathlib import Path

from labels.cgroups import cgroups


def allowed_cores(root: Path = Path("/")) -> int:
    """At least 1; a quota of 1.5 cores counts as 2. ``root`` is where ``/proc`` and ``/sys`` are looked for."""
    quotas = (_quota(folder) for folder in cgroups("cpu", root))
    return max(1, min([len(os.sched_getaffinity(0)), *(math.ceil(quota) for quota in quotas if quota is not None)]))


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
