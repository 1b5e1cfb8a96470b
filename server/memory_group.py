"""A memory group (cgroup) for one run, where this server may make one; standard library only.

The kernel's account of a run's memory, over all its processes and files in scratch. Where there is
none, the run's supervisor adds up what /proc says (`watch.py`), which is later and coarser.

Joining a group can take 15 ms on an idle machine, for the kernel waits for a grace period: so only
runs that go on for a while get one. Sources: Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/memory.rst.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

from server.channel import send
from server.confine import MIB

PREFIX = "agent-run-"
_MOUNT = Path("/sys/fs/cgroup")
_VERSION_1 = _MOUNT / "memory"


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    parent: Path
    limit: str
    events: str
    more: tuple[tuple[str, str], ...]
    """Further files and what to write to them, where they are there."""


@cache
def _hierarchy() -> _Hierarchy | None:
    """Return where this server can make memory groups, or None."""
    own = _own_groups()
    if (_VERSION_1 / "memory.limit_in_bytes").exists() and "memory" in own:
        parent = _VERSION_1 / own["memory"]
        parent = parent if parent.is_dir() else _VERSION_1
        return _usable(_Hierarchy(parent, "memory.limit_in_bytes", "memory.oom_control", ()))
    more = (("memory.swap.max", "0"), ("memory.oom.group", "1"))
    for parent in (_MOUNT / own.get("", ""), _MOUNT):
        if _delegates_memory(parent):
            found = _usable(_Hierarchy(parent, "memory.max", "memory.events", more))
            if found:
                return found
    return None


def _own_groups() -> dict[str, str]:
    """Return the groups this process is in, by controller; that of version 2 under ""."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                found[controller] = path.lstrip("/")
    return found


def _delegates_memory(parent: Path) -> bool:
    """Return whether groups below `parent` get the memory controller.

    Only its owner hands it on, and no group with processes may (cgroup-v2.rst, "No Internal
    Process Constraint"): a service unit does so with Delegate=yes and DelegateSubgroup=.
    """
    with contextlib.suppress(OSError):
        return "memory" in (parent / "cgroup.subtree_control").read_text().split()
    return False


def _usable(hierarchy: _Hierarchy) -> _Hierarchy | None:
    probe = make_group(f"{PREFIX}{os.getpid()}-probe", 64, hierarchy)
    if probe is None:
        return None
    remove_group(probe)
    return hierarchy


def can_make_groups() -> bool:
    """Return whether runs get memory groups here."""
    return _hierarchy() is not None


def make_group(name: str, memory_mib: int, hierarchy: _Hierarchy | None = None) -> Path | None:
    """Make a group that holds `memory_mib` MiB; None where there can't be one."""
    place = hierarchy or _hierarchy()
    if place is None:
        return None
    group = place.parent / name
    try:
        group.mkdir()
        (group / place.limit).write_text(str(memory_mib * MIB))
        if not (group / place.events).exists():
            raise OSError("no events")
    except OSError:
        remove_group(group)
        return None
    for file, value in place.more:
        with contextlib.suppress(OSError):
            (group / file).write_text(value)
    return group


def remove_group(group: Path | None) -> None:
    """Remove a group; those in it have been killed, and may take a moment to be gone."""
    for _ in range(100):
        if group is None:
            return
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)
        else:
            return


def left_groups() -> list[Path]:
    """Return the groups of runs that are there, of whatever server."""
    place = _hierarchy()
    return list(place.parent.glob(f"{PREFIX}*-*")) if place else []


@dataclass(frozen=True, slots=True)
class Group:
    """A group as the server has it."""

    folder: Path
    events: Path
    number: ClassVar[Iterator[int]] = itertools.count()

    @classmethod
    def make(cls, memory_mib: int) -> Group | None:
        """Make a group for a run of this process; None where there can't be one."""
        place = _hierarchy()
        folder = make_group(f"{PREFIX}{os.getpid()}-{next(cls.number)}", memory_mib)
        return cls(folder, folder / place.events) if place and folder else None

    def pass_to(self, supervisor: socket.socket) -> None:
        """Have a supervisor join its run to the group.

        The kernel judges a join by who opened the file, so that a cell's init may do it.
        """
        descriptors: list[int] = []
        with contextlib.suppress(OSError):  # the run has ended
            descriptors.append(os.open(self.folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
            descriptors.append(os.open(self.events, os.O_RDONLY | os.O_CLOEXEC))
            send(supervisor, {"group": True}, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    def was_exceeded(self) -> bool:
        """Return whether the kernel has ended a process for want of memory."""
        try:
            return out_of_memory(self.events.read_bytes())
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the group; waits for those in it to be gone."""
        remove_group(self.folder)


@dataclass(slots=True)
class MemoryGroup:
    """A group as the supervisor of a run has it: two descriptors."""

    joining: int
    events: int
    _members: set[int] = field(default_factory=set, init=False)

    def gather(self, processes: Iterable[int]) -> None:
        """Move processes in that are not; their children will be in from birth."""
        for process in processes:
            if process not in self._members:
                with contextlib.suppress(OSError):  # it has ended
                    os.write(self.joining, str(process).encode())
                self._members.add(process)

    def was_exceeded(self) -> bool:
        """Return whether the kernel has ended a process for want of memory."""
        return out_of_memory(os.pread(self.events, 4096, 0))


def out_of_memory(events: bytes) -> bool:
    """Read `oom_kill N`, which both versions have, out of a group's events."""
    for line in events.splitlines():
        name, _, count = line.partition(b" ")
        if name == b"oom_kill":
            return count.strip() != b"0"
    return False
