"""How much memory this process may use: the machine's, and no more than its cgroups allow."""

import os
from pathlib import Path

from labels.cgroups import cgroups


def allowed_memory(root: Path = Path("/")) -> int:
    """Bytes; ``root`` is where ``/proc`` and ``/sys`` are looked for."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = (_limit(folder) for folder in cgroups("memory", root))
    return min([machine, *(limit for limit in limits if limit is not None)])


def _limit(cgroup: Path) -> int | None:
    """Bytes that a cgroup may use; None where it has no limit."""
    for name in ("memory.max", "memory.limit_in_bytes"):  # version 2, version 1
        try:
            return int((cgroup / name).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None
