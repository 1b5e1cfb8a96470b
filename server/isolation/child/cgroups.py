"""A group (cgroup) for one run, where this server may make one; standard library only.

The kernel's own account of a run's memory and processor time, over all its processes, those that
nobody waited for and files in scratch included; and one weight for all of them at the processor and
the disk. What is not to be had here, the run's supervisor adds up from /proc
(`resource_monitor.py`), which is later and coarser.

Joining a group can take 15 ms on an idle machine, for the kernel waits for a grace period: so only
runs that go on for a while get one. Sources: Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/{memory,cpuacct,blkio-controller}.rst.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from server.isolation.child.channel import send
from server.limits import MIB

PREFIX = "agent-run-"
_numbers = itertools.count()
_MOUNT = Path("/sys/fs/cgroup")
_VERSION_1 = ("memory", "cpuacct", "cpu", "blkio")
_MEMORY_LIMITS = ("memory.limit_in_bytes", "memory.max")
_EVENTS = ("memory.oom_control", "memory.events")
_USAGE = {"cpuacct.usage": 1e-9, "cpu.stat": 1e-6}
"""Files with the processor time that was used, and their unit in seconds."""
_WEIGHTS = {"cpu.shares": b"205", "cpu.weight": b"20"}
"""A fifth of another session's share, or another group's."""
_SETTINGS = {
    "memory.swap.max": "0",
    "memory.oom.group": "1",
    # A fifth of what others have at the disk, where its scheduler knows weights.
    "blkio.bfq.weight": "20",
    "io.bfq.weight": "20",
    "io.weight": "20",
}


@cache
def _parents() -> tuple[Path, ...]:
    """Return the folders, one a hierarchy, in which this server can make groups of use."""
    version_1 = tuple(parent for parent in _version_1_parents() if _usable(parent))
    return version_1 or tuple(itertools.islice(filter(_usable, _version_2_parents()), 1))


def _version_1_parents() -> list[Path]:
    own, found = _own_groups(), []
    for controller in _VERSION_1:
        mount = (_MOUNT / controller).resolve()  # cpu is a link to cpu,cpuacct in many places
        if controller in own and (mount / "cgroup.procs").exists():
            parent = mount / own[controller]
            found.append(parent if parent.is_dir() else mount)
    return list(dict.fromkeys(found))


def _version_2_parents() -> list[Path]:
    """Return where a group might be made, the best first: memory is worth most.

    Every group has an account of its processor time. For memory the owner of `parent` hands the
    controller on, and no group with processes may (cgroup-v2.rst, "No Internal Process
    Constraint"): a service unit does so with Delegate=yes and DelegateSubgroup=.
    """
    if not (_MOUNT / "cgroup.subtree_control").exists():
        return []
    places = dict.fromkeys((_MOUNT / _own_groups().get("", ""), _MOUNT))
    # Whoever moves a process needs the right to the group above both: that is the parent.
    may = [place for place in places if os.access(place / "cgroup.procs", os.W_OK)]
    return sorted(may, key=lambda place: not _delegates_memory(place))


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
    with contextlib.suppress(OSError):
        return "memory" in (parent / "cgroup.subtree_control").read_text().split()
    return False


def _usable(parent: Path) -> bool:
    """Return whether a group can be made in `parent`, and has anything that is of use."""
    group = parent / f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    try:
        group.mkdir()
    except OSError:
        return False
    useful = any((group / name).exists() for name in (*_EVENTS, *_USAGE, *_WEIGHTS, *_SETTINGS))
    remove_group(group)
    return useful


@cache
def _files() -> frozenset[str]:
    """Return the names of the files that a run's groups have here."""
    group = Group.make(64)
    if group is None:
        return frozenset()
    found = frozenset(os.listdir(group.folders[0])).union(*map(os.listdir, group.folders))
    group.remove()
    return found


def can_make_groups() -> bool:
    """Return whether the kernel counts the memory of runs here."""
    return not _files().isdisjoint(_EVENTS)


def can_weigh() -> bool:
    """Return whether all processes of a run have one share of the processor here."""
    return not _files().isdisjoint(_WEIGHTS)


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
    return [group for parent in _parents() for group in parent.glob(f"{PREFIX}*-*")]


@dataclass(frozen=True, slots=True)
class Group:
    """A run's group as the server has it: a folder in each hierarchy."""

    folders: tuple[Path, ...]

    @classmethod
    def make(cls, memory_mib: int) -> Group | None:
        """Make a group for a run of this process; None where there can't be one."""
        name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
        made = [folder for parent in _parents() if _made(folder := parent / name, memory_mib)]
        return cls(tuple(made)) if made else None

    @classmethod
    def make_for(cls, supervisor: socket.socket, memory_mib: int) -> Group | None:
        """Make a group and have a supervisor join its run to it, or know that there is none.

        The kernel judges a join by who opened the file, so that a cell's init may do it.
        """
        group = cls.make(memory_mib)
        files = {} if group is None else group._opened()
        order = {"name": "", "files": [path.name for path in files.values()]}
        if group is not None:
            order["name"] = group.folders[0].name
        with contextlib.suppress(OSError):  # the run has ended
            send(supervisor, {"group": order}, files)
        for descriptor in files:
            os.close(descriptor)
        return group

    def _opened(self) -> dict[int, Path]:
        """Return descriptors of what a supervisor needs, with their paths."""
        wanted = ["cgroup.procs", *_EVENTS, *_USAGE, *_WEIGHTS]
        found = {}
        for path in (folder / name for folder in self.folders for name in wanted):
            flags = os.O_RDONLY if path.name in (*_EVENTS, *_USAGE) else os.O_WRONLY
            with contextlib.suppress(OSError):
                found[os.open(path, flags | os.O_CLOEXEC)] = path
        return found

    def was_exceeded(self) -> bool:
        """Return whether the kernel has ended a process for want of memory."""
        for path in (folder / name for folder in self.folders for name in _EVENTS):
            with contextlib.suppress(OSError):
                if out_of_memory(path.read_bytes()):
                    return True
        return False

    def remove(self) -> None:
        """Remove the group; waits for those in it to be gone."""
        for folder in self.folders:
            remove_group(folder)


def _made(group: Path, memory_mib: int) -> bool:
    """Make one folder of a group; return whether it is there, with its limit."""
    settings = {**dict.fromkeys(_MEMORY_LIMITS, str(memory_mib * MIB)), **_SETTINGS}
    try:
        group.mkdir()
        for name, value in settings.items():
            if (group / name).exists():
                _set(group / name, value, needed=name in _MEMORY_LIMITS)
    except OSError:
        remove_group(group)
        return False
    return True


def _set(file: Path, value: str, *, needed: bool) -> None:
    with contextlib.suppress(*() if needed else (OSError,)):
        file.write_text(value)


@dataclass(slots=True)
class RunGroup:
    """A run's group as its supervisor has it: descriptors by the names of their files."""

    name: str
    files: list[tuple[str, int]]
    settled: bool = field(default=False, init=False)
    """Whether all of the run is in: what is born of it then is, too."""

    def gather(self, processes: Iterable[int]) -> bool:
        """Move in the processes that are not; return whether all were in already."""
        joins = self._of(("cgroup.procs",))
        outside = [pid for pid in processes if joins and not self._is_in(pid)]
        for process in outside:
            for joining in joins:
                with contextlib.suppress(OSError):  # it has ended
                    os.write(joining, str(process).encode())
        self.settled = not outside
        return self.settled

    def cpu_s(self) -> float:
        """Return the seconds of processor time that have been used in the group; 0 if unknown."""
        for name, unit in _USAGE.items():
            for descriptor in self._of((name,)):
                return _first_number(os.pread(descriptor, 4096, 0)) * unit
        return 0.0

    def was_exceeded(self) -> bool:
        """Return whether the kernel has ended a process for want of memory."""
        return any(out_of_memory(os.pread(one, 4096, 0)) for one in self._of(_EVENTS))

    def have_it_yield(self) -> bool:
        """Lower the weight of the whole run at the processor; return whether there is one."""
        for name, weight in _WEIGHTS.items():
            for descriptor in self._of((name,)):
                with contextlib.suppress(OSError):
                    os.pwrite(descriptor, weight, 0)
                return True
        return False

    def _of(self, names: Iterable[str]) -> list[int]:
        return [descriptor for name, descriptor in self.files if name in names]

    def _is_in(self, process: int) -> bool:
        """Return whether a process is in; one that has ended may have left children outside."""
        with contextlib.suppress(OSError), open(f"/proc/{process}/cgroup", "rb") as file:
            return file.read().count(f"/{self.name}\n".encode()) >= len(self._of(["cgroup.procs"]))
        return False


def _first_number(text: bytes) -> int:
    """Return the first number of `123` or `usage_usec 123 ...`."""
    return next((int(word) for word in text.split() if word.isdigit()), 0)


def out_of_memory(events: bytes) -> bool:
    """Read `oom_kill N`, which both versions have, out of a group's events."""
    for line in events.splitlines():
        name, _, count = line.partition(b" ")
        if name == b"oom_kill":
            return count.strip() != b"0"
    return False
