"""The control groups (both versions) that limit this process: its own and those it lies in.

A container sees the whole machine, its cores and its memory; what it may use of them stands in these folders.
"""

from collections.abc import Iterator
from pathlib import Path


def cgroups(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """Folders with the limits of a ``controller`` (``cpu``, ``memory``), of either version; where none is known, none.

    ``root`` is where ``/proc`` and ``/sys`` are looked for.
    """
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
                file_system == "cgroup" and controller in controllers.split(",") and controller in options.split(",")
            ):
                top = root / mount_point.lstrip("/")
                yield from _upwards(top, Path(path), Path(mounted))


def _upwards(top: Path, cgroup: Path, mounted: Path) -> Iterator[Path]:
    """From a cgroup's folder up to the mount point; a container may see no more of it than the mount point."""
    yield top
    if cgroup.is_relative_to(mounted) and ".." not in cgroup.parts:
        inner = cgroup.relative_to(mounted)
        yield from (top / part for part in (inner, *inner.parents) if part != Path())
