"""A cap on processes and threads that the kernel keeps, for runs without a user of their own.

Root may use the pids controller (Documentation/admin-guide/cgroup-v1/pids.rst, cgroup-v2.rst);
others have RLIMIT_NPROC, which counts all processes of the user and which the kernel does not apply
to root.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from server.isolation.child.cgroups import remove_group

_VERSION_1 = Path("/sys/fs/cgroup/pids")
_VERSION_2 = Path("/sys/fs/cgroup")


def _hierarchy() -> Path | None:
    """Return where groups can be made that have a pids controller."""
    if (_VERSION_1 / "cgroup.procs").exists():
        return _VERSION_1
    with contextlib.suppress(OSError):
        if "pids" in (_VERSION_2 / "cgroup.subtree_control").read_text().split():
            return _VERSION_2
    return None


def make_group(name: str, most: int) -> Path | None:
    """Make a group for one run that holds `most` tasks; None where there can't be one."""
    place = _hierarchy()
    if place is None:
        return None
    group = place / name
    try:
        group.mkdir()
        (group / "pids.max").write_text(str(most))
    except OSError:
        remove_group(group)
        return None
    return group


def was_reached(group: Path) -> bool:
    """Return whether a fork was ever refused in this group."""
    try:
        events = (group / "pids.events").read_text().split()
    except OSError:
        return False
    return events[:1] == ["max"] and events[1:2] != ["0"]


def left_groups(prefix: str) -> list[Path]:
    """Return the groups there are whose name starts with `prefix`."""
    place = _hierarchy()
    return list(place.glob(f"{prefix}*")) if place else []


def tasks_of_user() -> int:
    """Return how many processes and threads this user has, about."""
    found = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    found += len(os.listdir(f"/proc/{entry.name}/task"))
    return found
