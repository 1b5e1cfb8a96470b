"""A cap on processes and threads that the kernel keeps, where this server may have one.

The keeper counts the tree every 20 ms; a fork bomb can make thousands in between on a busy machine.
Root may use the pids controller (Documentation/admin-guide/cgroup-v1/pids.rst, cgroup-v2.rst);
others have RLIMIT_NPROC, which the kernel does not apply to root.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

TASKS_A_PROCESS = 8
"""Threads allowed for each process of the limit, on the average."""
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


def make_group(name: str, processes: int) -> str | None:
    """Make a group for one run; None where there can't be one."""
    place = _hierarchy()
    if place is None:
        return None
    group = place / name
    try:
        group.mkdir()
        (group / "pids.max").write_text(str(processes * TASKS_A_PROCESS))
    except OSError:
        remove_group(str(group))
        return None
    return str(group)


def join_group(group: str) -> None:
    """Put this process, and all it will fork, under a group's cap."""
    Path(group, "cgroup.procs").write_text("0")


def cap_was_reached(group: str | None) -> bool:
    """Return whether a fork was ever refused in this group."""
    if group is None:
        return False
    try:
        events = Path(group, "pids.events").read_text().split()
    except OSError:
        return False
    return events[:1] == ["max"] and events[1:2] != ["0"]


def remove_group(group: str | None) -> None:
    """Remove a group; those in it have been killed, and may take a moment to be gone."""
    for _ in range(100):
        if group is None or not os.path.isdir(group):
            return
        with contextlib.suppress(OSError):
            os.rmdir(group)
            return
        time.sleep(0.01)


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
